//! A client's figure: the sum of its members' first figures, and after that every advance of a member, once. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::store::MeterId;
use crate::units::MilliwattHours;

/// What the ledger stores of a client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientState {
    /// Absent until every member has a baseline. Never falls, and never exceeds [`MilliwattHours::MAX`].
    pub energy: Option<MilliwattHours>,
    /// Up to which published figure each member is counted in `energy`. Above its published figure if `energy` was set and the members have
    /// not consumed as much yet.
    pub counted: BTreeMap<MeterId, MilliwattHours>,
    /// The last energy that Arkreen accepted.
    pub accepted: Option<MilliwattHours>,
    /// When that was.
    pub accepted_at: Option<Timestamp>,
}

impl ClientState {
    /// Counts how far the members' published figures have advanced, then removes members that left and adds new ones.
    ///
    /// The energy of a member that leaves remains; one that joins counts from its present figure, or from its baseline if it has none yet.
    pub fn settle(&mut self, members: &[MeterId], published: impl Fn(MeterId) -> Option<MilliwattHours>) -> Settled {
        let Some(energy) = self.energy else { return self.begin(members, published) };
        let mut ahead = self.take_ahead(&published);
        let mut sum = energy;
        for (meter, counted) in &mut self.counted {
            let advance = published(*meter).unwrap_or_default().saturating_sub(*counted);
            let paid = advance.min(ahead);
            if let (Some(more), Some(up_to)) =
                (sum.checked_add(advance.saturating_sub(paid)), counted.checked_add(advance))
            {
                (sum, *counted) = (more, up_to);
                ahead = ahead.saturating_sub(paid);
            }
        }
        self.energy = Some(sum);
        let (mut left, mut joined) = (Vec::new(), Vec::new());
        // If the figure is ahead, some member has to catch up: the last one stays until then, or until there is another.
        let others = ahead == MilliwattHours::ZERO || members.iter().any(|meter| published(*meter).is_some());
        self.counted.retain(|meter, _| {
            let stays = !others || members.contains(meter);
            if !stays {
                left.push(*meter);
            }
            stays
        });
        for meter in members {
            if let (false, Some(figure)) = (self.counted.contains_key(meter), published(*meter)) {
                self.counted.insert(*meter, figure);
                joined.push(*meter);
            }
        }
        self.put_ahead(ahead);
        Settled { begun: false, joined, left }
    }

    /// Updates a figure that was stored earlier with what its members have published since.
    pub fn follow(&mut self, published: impl Fn(MeterId) -> Option<MilliwattHours>) {
        let members: Vec<_> = self.counted.keys().copied().collect();
        self.settle(&members, published);
    }

    /// Arkreen already has this figure: the client rises to it, and stands still until its members have advanced by as much.
    ///
    /// False if nothing was changed, because that is no rise or there is no member to catch up.
    pub fn set(&mut self, energy: MilliwattHours) -> bool {
        let Some(before) = self.energy.filter(|before| *before < energy && !self.counted.is_empty()) else {
            return false;
        };
        self.energy = Some(energy);
        self.put_ahead(energy.saturating_sub(before));
        true
    }

    /// How far the figure is ahead of its members after it was set.
    pub fn ahead(&self, published: impl Fn(MeterId) -> Option<MilliwattHours>) -> MilliwattHours {
        self.clone().take_ahead(&published)
    }

    /// Lowers `counted` of each member to its published figure; returns the sum of what was taken off.
    fn take_ahead(&mut self, published: &impl Fn(MeterId) -> Option<MilliwattHours>) -> MilliwattHours {
        let mut ahead = MilliwattHours::ZERO;
        for (meter, counted) in &mut self.counted {
            let figure = published(*meter).unwrap_or(*counted);
            if let Some(sum) = ahead.checked_add(counted.saturating_sub(figure)) {
                (ahead, *counted) = (sum, figure.min(*counted));
            }
        }
        ahead
    }

    /// Raises `counted` of one member by this much. The next advances, of any member, are then set off against it in
    /// [`settle`](Self::settle).
    fn put_ahead(&mut self, ahead: MilliwattHours) {
        if let Some(counted) = self.counted.values_mut().next() {
            *counted = counted.checked_add(ahead).unwrap_or(MilliwattHours::MAX);
        }
    }

    /// Begins the figure if all members have theirs.
    fn begin(&mut self, members: &[MeterId], published: impl Fn(MeterId) -> Option<MilliwattHours>) -> Settled {
        let figures: Option<BTreeMap<_, _>> = members.iter().map(|meter| Some((*meter, published(*meter)?))).collect();
        let Some(figures) = figures.filter(|all| !all.is_empty()) else { return Settled::default() };
        let sum = figures.values().try_fold(MilliwattHours::ZERO, |sum, figure| sum.checked_add(*figure));
        let Some(sum) = sum else { return Settled::default() };
        self.energy = Some(sum);
        self.counted = figures;
        Settled { begun: true, ..Settled::default() }
    }
}

/// What [`ClientState::settle`] changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The figure began as the sum of its members'.
    pub begun: bool,
    /// New members.
    pub joined: Vec<MeterId>,
    /// Members that left.
    pub left: Vec<MeterId>,
}

impl Settled {
    /// Whether the figure began, or a member joined or left. This does not follow from the members' figures, so it has to be stored.
    pub fn regrouped(&self) -> bool {
        self.begun || !self.joined.is_empty() || !self.left.is_empty()
    }
}

#[cfg(test)]
mod tests;
