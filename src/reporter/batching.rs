//! Which clients go in which call, and whether the endpoint supports batches.

use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::time::Duration;

use super::rpc::{CallShape, ClientReport, ReportCall};
use crate::config::Batch;

/// After this long an endpoint that refused batches is tried again with one.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(24 * 3600);
/// After this many rounds in which only batches failed, batches count as refused: one round may be chance.
const SUSPICIONS: u8 = 2;

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
mod tests;
