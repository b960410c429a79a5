//! Which clients go in which call, and whether the endpoint supports batches.

use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::time::Duration;

use super::rpc::{CallShape, ClientReport, ReportCall};
use crate::config::Batch;

/// After this long an endpoint that refused batches is tried again with one.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(24 * 3600);
/// So many rounds in which only batches failed: one may be chance.
const SUSPICIONS: u8 = 2;

/// The source of request ids that are unique within a task's life.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestIds(u64);

impl RequestIds {
    /// An id that was not used before, from 1.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// How this account's reports are grouped into calls, and what is known about the endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Batching {
    mode: Batch,
    max: NonZeroUsize,
    support: BatchSupport,
    /// Rounds in a row in which a batch failed and single calls did not.
    suspicions: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BatchSupport {
    /// No batch was answered per report yet.
    Unproven,
    Works,
    /// Since this time since the boot.
    Refused(Duration),
}

impl Batching {
    pub(crate) fn new(mode: Batch, max: NonZeroUsize) -> Self {
        Batching { mode, max, support: BatchSupport::Unproven, suspicions: 0 }
    }

    /// The calls for these reports: none without reports, and at most one entry per client in all of them together.
    pub(crate) fn calls(&mut self, reports: Vec<ClientReport>, now: Duration) -> VecDeque<ReportCall> {
        if let BatchSupport::Refused(since) = self.support
            && now.saturating_sub(since) >= TRY_AGAIN_AFTER
        {
            self.support = BatchSupport::Unproven;
        }
        let batches = match self.mode {
            Batch::Always => true,
            Batch::Never => false,
            Batch::Auto => !matches!(self.support, BatchSupport::Refused(_)),
        };
        if !batches {
            return singly(reports);
        }
        let reports = one_per_client_id(reports);
        let shape = |reports: &[ClientReport]| match (self.mode, reports) {
            (Batch::Auto, [_]) => CallShape::Single,
            _ => CallShape::Batch,
        };
        reports.chunks(self.max.get()).map(|part| ReportCall { shape: shape(part), reports: part.to_vec() }).collect()
    }

    /// Whether a batch that failed may be repeated as single calls.
    pub(crate) fn may_fall_back(&self) -> bool {
        self.mode == Batch::Auto
    }

    /// Whether a batch was ever answered per report: then the failure of one does not mean that batches are unsupported.
    pub(crate) fn proven(&self) -> bool {
        self.support == BatchSupport::Works
    }

    /// A batch was answered per report.
    pub(crate) fn works(&mut self) {
        self.support = BatchSupport::Works;
        self.suspicions = 0;
    }

    /// A batch failed and single calls did not. After two such rounds in a row batches count as refused.
    pub(crate) fn suspect(&mut self, now: Duration) {
        self.suspicions += 1;
        if self.suspicions >= SUSPICIONS {
            self.refused(now);
        }
    }

    /// A batch was refused for being one.
    pub(crate) fn refused(&mut self, now: Duration) {
        self.support = BatchSupport::Refused(now);
        self.suspicions = 0;
    }

    /// A refusal is forgotten: the endpoint may be another one now.
    pub(crate) fn reloaded(&mut self) {
        if matches!(self.support, BatchSupport::Refused(_)) {
            self.support = BatchSupport::Unproven;
        }
    }
}

/// Each report in a call of its own.
pub(crate) fn singly(reports: Vec<ClientReport>) -> VecDeque<ReportCall> {
    one_per_client_id(reports).into_iter().map(ReportCall::single).collect()
}

/// Only the first report for a client id is sent, even if two clients have the same one.
fn one_per_client_id(mut reports: Vec<ClientReport>) -> Vec<ClientReport> {
    let mut seen = BTreeSet::new();
    reports.retain(|report| seen.insert(report.client_id));
    reports
}

#[cfg(test)]
mod tests {
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
}
