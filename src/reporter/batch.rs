//! Which clients go in which call, and whether the endpoint knows batches.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::rpc::{Call, Entry, Shape};
use crate::config::Batch;
use crate::units::{ClientId, MilliwattHours, Milliwatts, Name};

/// After this long an endpoint that refused batches is tried again with one.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(24 * 3600);
/// One failure of a batch may be chance.
const SUSPICIONS: u8 = 2;

/// One client's figure, to be sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fresh {
    pub(crate) client: Name,
    pub(crate) client_id: ClientId,
    pub(crate) power: Milliwatts,
    pub(crate) energy: MilliwattHours,
}

/// The source of ids that are unique within a task's life.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ids(u64);

/// How this account's figures are put together, and what was learned about the endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Batching {
    mode: Batch,
    max: NonZeroUsize,
    knowledge: Knowledge,
    /// Rounds in a row in which a batch failed and single calls did not.
    suspicions: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Knowledge {
    /// No batch was answered per entry yet.
    Unproven,
    Works,
    /// Since that time since the boot.
    Refused(Duration),
}

impl Batching {
    pub(crate) fn new(mode: Batch, max: NonZeroUsize) -> Self {
        Batching { mode, max, knowledge: Knowledge::Unproven, suspicions: 0 }
    }

    /// The calls for these figures: none for no figures, at most one entry for a client in all of them together.
    pub(crate) fn calls(&mut self, figures: Vec<Fresh>, ids: &mut Ids, now: Duration) -> VecDeque<Call> {
        if let Knowledge::Refused(since) = self.knowledge
            && now.saturating_sub(since) >= TRY_AGAIN_AFTER
        {
            self.knowledge = Knowledge::Unproven;
        }
        let batches = match self.mode {
            Batch::Always => true,
            Batch::Never => false,
            Batch::Auto => !matches!(self.knowledge, Knowledge::Refused(_)),
        };
        if !batches {
            return singly(figures, ids);
        }
        let entries = entries(figures, ids);
        let shape = |entries: &[Entry]| match (self.mode, entries) {
            (Batch::Auto, [_]) => Shape::Single,
            _ => Shape::Batch,
        };
        entries.chunks(self.max.get()).map(|part| Call { shape: shape(part), entries: part.to_vec() }).collect()
    }

    /// Whether a batch that failed may be repeated as single calls.
    pub(crate) fn may_fall_back(&self) -> bool {
        self.mode == Batch::Auto
    }

    /// Whether a batch was ever answered per entry, so that a failure of one is not about batches.
    pub(crate) fn proven(&self) -> bool {
        self.knowledge == Knowledge::Works
    }

    /// A batch was answered per entry.
    pub(crate) fn works(&mut self) {
        self.knowledge = Knowledge::Works;
        self.suspicions = 0;
    }

    /// A batch failed where single calls did not: twice in a row, it was about batches.
    pub(crate) fn suspect(&mut self, now: Duration) {
        self.suspicions += 1;
        if self.suspicions >= SUSPICIONS {
            self.refused(now);
        }
    }

    /// A batch was refused for being one.
    pub(crate) fn refused(&mut self, now: Duration) {
        self.knowledge = Knowledge::Refused(now);
        self.suspicions = 0;
    }

    /// A refusal is forgotten: the endpoint may be another one now.
    pub(crate) fn reloaded(&mut self) {
        if matches!(self.knowledge, Knowledge::Refused(_)) {
            self.knowledge = Knowledge::Unproven;
        }
    }
}

/// Each figure in a call of its own.
pub(crate) fn singly(figures: Vec<Fresh>, ids: &mut Ids) -> VecDeque<Call> {
    entries(figures, ids).into_iter().map(Call::single).collect()
}

/// A figure for a client that is already there is left out, be it under another name.
fn entries(figures: Vec<Fresh>, ids: &mut Ids) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::with_capacity(figures.len());
    let mut seen = std::collections::BTreeSet::new();
    for Fresh { client, client_id, power, energy } in figures {
        if seen.insert(client_id) {
            ids.0 += 1;
            entries.push(Entry { id: ids.0, client, client_id, power, energy });
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn figures(numbers: impl IntoIterator<Item = u16>) -> Vec<Fresh> {
        let fresh = |number: u16| Fresh {
            client: Name::new(&format!("client_{number}")).unwrap(),
            client_id: ClientId::parse(&format!("0x{number:064x}")).unwrap(),
            power: Milliwatts(1),
            energy: MilliwattHours::ZERO,
        };
        numbers.into_iter().map(fresh).collect()
    }

    fn batching(mode: Batch, max: usize) -> Batching {
        Batching::new(mode, NonZeroUsize::new(max).unwrap())
    }

    fn shapes(calls: &VecDeque<Call>) -> Vec<(Shape, usize)> {
        calls.iter().map(|call| (call.shape, call.entries.len())).collect()
    }

    #[test]
    fn auto_sends_batches_and_a_lone_client_singly() {
        let mut auto = batching(Batch::Auto, 2);
        let mut ids = Ids::default();
        assert_eq!(shapes(&auto.calls(figures(0..1), &mut ids, Duration::ZERO)), [(Shape::Single, 1)]);
        let calls = auto.calls(figures(0..5), &mut ids, Duration::ZERO);
        assert_eq!(shapes(&calls), [(Shape::Batch, 2), (Shape::Batch, 2), (Shape::Single, 1)]);
    }

    #[test]
    fn always_and_never_mean_it() {
        let mut ids = Ids::default();
        let calls = batching(Batch::Always, 2).calls(figures(0..3), &mut ids, Duration::ZERO);
        assert_eq!(shapes(&calls), [(Shape::Batch, 2), (Shape::Batch, 1)]);
        let calls = batching(Batch::Never, 2).calls(figures(0..2), &mut ids, Duration::ZERO);
        assert_eq!(shapes(&calls), [(Shape::Single, 1), (Shape::Single, 1)]);
    }

    #[test]
    fn refused_batches_are_tried_again_after_a_day_or_a_reload() {
        let mut auto = batching(Batch::Auto, 100);
        let mut ids = Ids::default();
        let day = Duration::from_secs(24 * 3600);
        let mut calls = |auto: &mut Batching, now| auto.calls(figures(0..3), &mut ids, now).len();
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
            let mut ids = Ids::default();
            let mut batching = batching(mode, max);
            let mut ever = BTreeSet::new();
            for _ in 0..2 {
                let calls = batching.calls(figures(numbers.iter().copied()), &mut ids, Duration::ZERO);
                let wanted: BTreeSet<_> = figures(numbers.iter().copied()).into_iter().map(|fresh| fresh.client_id).collect();
                let entries: Vec<_> = calls.iter().flat_map(|call| &call.entries).collect();
                prop_assert_eq!(entries.len(), wanted.len());
                prop_assert_eq!(entries.iter().map(|entry| entry.client_id).collect::<BTreeSet<_>>(), wanted);
                prop_assert!(entries.iter().all(|entry| ever.insert(entry.id)), "an id came twice");
                prop_assert!(calls.iter().all(|call| (1..=max).contains(&call.entries.len())));
                prop_assert!(calls.iter().all(|call| call.shape == Shape::Batch || call.entries.len() == 1));
            }
        }
    }
}
