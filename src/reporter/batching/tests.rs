use proptest::prelude::*;

use super::*;
use crate::units::{ClientId, MilliwattHours, Milliwatts, Name};

fn reports(first_id: u64, numbers: impl IntoIterator<Item = u16>) -> Vec<ClientReport> {
    let report = |(id, number): (u64, u16)| ClientReport {
        id,
        client: Name::new(&format!("client_{number}")).unwrap(),
        client_id: ClientId::parse(&format!("0x{number:064x}")).unwrap(),
        power: Milliwatts(1),
        energy: MilliwattHours::ZERO,
    };
    (first_id..).zip(numbers).map(report).collect()
}

fn batching(mode: Batch, max: usize) -> Batching {
    Batching::new(mode, NonZeroUsize::new(max).unwrap())
}

fn shapes(calls: &VecDeque<ReportCall>) -> Vec<(CallShape, usize)> {
    calls.iter().map(|call| (call.shape, call.reports.len())).collect()
}

#[test]
fn auto_sends_batches_and_a_lone_client_singly() {
    let mut auto = batching(Batch::Auto, 2);
    assert_eq!(shapes(&auto.calls(reports(1, 0..1), Duration::ZERO)), [(CallShape::Single, 1)]);
    let calls = auto.calls(reports(1, 0..5), Duration::ZERO);
    assert_eq!(shapes(&calls), [(CallShape::Batch, 2), (CallShape::Batch, 2), (CallShape::Single, 1)]);
}

#[test]
fn always_and_never_are_respected() {
    let calls = batching(Batch::Always, 2).calls(reports(1, 0..3), Duration::ZERO);
    assert_eq!(shapes(&calls), [(CallShape::Batch, 2), (CallShape::Batch, 1)]);
    let calls = batching(Batch::Never, 2).calls(reports(1, 0..2), Duration::ZERO);
    assert_eq!(shapes(&calls), [(CallShape::Single, 1), (CallShape::Single, 1)]);
}

#[test]
fn refused_batches_are_tried_again_after_a_day_or_a_reload() {
    let mut auto = batching(Batch::Auto, 100);
    let day = Duration::from_secs(24 * 3600);
    let calls = |auto: &mut Batching, now| auto.calls(reports(1, 0..3), now).len();
    auto.refused(day);
    assert_eq!(calls(&mut auto, day * 2 - Duration::from_secs(1)), 3);
    assert_eq!(calls(&mut auto, day * 2), 1);
    auto.refused(day * 2);
    auto.reloaded();
    assert_eq!(calls(&mut auto, day * 2), 1);
    auto.suspect(day);
    assert_eq!(calls(&mut auto, day), 1, "once may be chance");
    auto.suspect(day);
    assert_eq!(calls(&mut auto, day), 3);
    auto.works();
    auto.reloaded();
    assert!(auto.proven(), "what works is not forgotten");
}

proptest! {
    #[test]
    fn each_client_has_one_entry_and_each_entry_an_id(
        numbers in proptest::collection::vec(0u16..50, 0..60),
        max in 1usize..20,
        mode in prop_oneof![Just(Batch::Auto), Just(Batch::Always), Just(Batch::Never)],
    ) {
            let mut batching = batching(mode, max);
        let mut ever = BTreeSet::new();
        for round in 0..2 {
            let calls = batching.calls(reports(1 + 100 * round, numbers.iter().copied()), Duration::ZERO);
            let wanted: BTreeSet<_> = reports(1, numbers.iter().copied()).into_iter().map(|fresh| fresh.client_id).collect();
            let entries: Vec<_> = calls.iter().flat_map(|call| &call.reports).collect();
            prop_assert_eq!(entries.len(), wanted.len());
            prop_assert_eq!(entries.iter().map(|entry| entry.client_id).collect::<BTreeSet<_>>(), wanted);
            prop_assert!(entries.iter().all(|entry| ever.insert(entry.id)), "an id came twice");
            prop_assert!(calls.iter().all(|call| (1..=max).contains(&call.reports.len())));
            prop_assert!(calls.iter().all(|call| call.shape == CallShape::Batch || call.reports.len() == 1));
        }
    }
}
