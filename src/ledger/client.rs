//! A client's durable figure: the sum of its members' baselines, and from then on every advance of a member, once. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::store::MeterId;
use crate::units::MilliwattHours;

/// What the ledger remembers of one client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientState {
    /// Absent until every member has a baseline. Never falls; stands still rather than pass [`MilliwattHours::MAX`].
    pub energy: Option<MilliwattHours>,
    /// Up to which published figure each member is contained in `energy`; ahead of that figure where `energy` was set and the members have
    /// not made up for it yet.
    pub counted: BTreeMap<MeterId, MilliwattHours>,
    /// The last energy that Arkreen took, and when.
    pub accepted: Option<MilliwattHours>,
    pub accepted_at: Option<Timestamp>,
}

impl ClientState {
    /// Counts what the members' published figures have advanced, then lets go who is no member any more and takes in who is new.
    ///
    /// A leaving member keeps what it gave; a joining one counts from its figure of now, or from its baseline where it has none yet.
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
        // Where the figure is ahead somebody has to make up for it: the last to leave stays until then, or until another is there.
        let heirs = ahead == MilliwattHours::ZERO || members.iter().any(|meter| published(*meter).is_some());
        self.counted.retain(|meter, _| {
            let stays = !heirs || members.contains(meter);
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

    /// Brings a figure that was stored some time ago up to what its members have published since.
    pub fn follow(&mut self, published: impl Fn(MeterId) -> Option<MilliwattHours>) {
        let members: Vec<_> = self.counted.keys().copied().collect();
        self.settle(&members, published);
    }

    /// Arkreen holds this already: the figure rises to it, and stands until the members have advanced by as much.
    ///
    /// False, and nothing is changed, where that is no rise, or nobody is there to catch up.
    pub fn set(&mut self, energy: MilliwattHours) -> bool {
        let Some(before) = self.energy.filter(|before| *before < energy && !self.counted.is_empty()) else {
            return false;
        };
        self.energy = Some(energy);
        self.put_ahead(energy.saturating_sub(before));
        true
    }

    /// By how much the figure is ahead of what its members gave, once it was set.
    pub fn ahead(&self, published: impl Fn(MeterId) -> Option<MilliwattHours>) -> MilliwattHours {
        self.clone().take_ahead(&published)
    }

    /// Brings members that are counted up to more than they are published with back to that; by how much, taken together.
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

    /// Counts one member up to so much more than it is: its advances, and with [`settle`](Self::settle) all others', make up for it first.
    fn put_ahead(&mut self, ahead: MilliwattHours) {
        if let Some(counted) = self.counted.values_mut().next() {
            *counted = counted.checked_add(ahead).unwrap_or(MilliwattHours::MAX);
        }
    }

    /// The first figure, once all members have theirs.
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

/// What settling a client did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The figure began, as the sum of its members'.
    pub begun: bool,
    /// Members that are counted from now on.
    pub joined: Vec<MeterId>,
    /// Members that are not counted any more.
    pub left: Vec<MeterId>,
}

impl Settled {
    /// The figure began, or a member joined or left: what follows from no member's figure, and an older copy of the store could not know.
    pub fn regrouped(&self) -> bool {
        self.begun || !self.joined.is_empty() || !self.left.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(index: usize) -> MeterId {
        MeterId(index as i64)
    }

    fn energy(value: u64) -> MilliwattHours {
        MilliwattHours::new(value).unwrap()
    }

    fn ids(members: &[usize]) -> Vec<MeterId> {
        members.iter().map(|index| id(*index)).collect()
    }

    fn settle(state: &mut ClientState, members: &[usize], published: &[Option<u64>]) -> Settled {
        let figure = |wanted: MeterId| {
            let index = (0..published.len()).find(|index| id(*index) == wanted)?;
            published[index].map(energy)
        };
        state.settle(&ids(members), figure)
    }

    #[test]
    fn it_begins_when_all_members_have_a_baseline() {
        let mut state = ClientState::default();
        assert_eq!(settle(&mut state, &[0, 1], &[Some(100), None]), Settled::default());
        assert_eq!(state.energy, None);
        assert!(settle(&mut state, &[0, 1], &[Some(110), Some(5)]).regrouped());
        assert_eq!(state.energy, Some(energy(115)));
        assert_eq!(settle(&mut state, &[0, 1], &[Some(111), Some(5)]), Settled::default(), "it follows from theirs");
    }

    #[test]
    fn who_joins_counts_from_joining_and_who_leaves_keeps_what_it_gave() {
        let mut state = ClientState::default();
        settle(&mut state, &[0], &[Some(100), Some(5_000), None]);
        settle(&mut state, &[0, 1, 2], &[Some(101), Some(5_001), None]);
        assert_eq!(state.energy, Some(energy(101)), "joining brings nothing along");
        settle(&mut state, &[0, 1, 2], &[Some(101), Some(5_004), Some(900)]);
        assert_eq!(state.energy, Some(energy(104)), "a baseline after joining is no consumption");
        settle(&mut state, &[0, 2], &[Some(101), Some(5_006), Some(901)]);
        assert_eq!(state.energy, Some(energy(107)), "what it counted until it left stays");
        settle(&mut state, &[0, 2], &[Some(101), Some(6_000), Some(901)]);
        assert_eq!(state.energy, Some(energy(107)));
        settle(&mut state, &[0, 1, 2], &[Some(101), Some(6_001), Some(901)]);
        assert_eq!(state.energy, Some(energy(107)), "coming back is joining");
    }

    #[test]
    fn what_arkreen_holds_stands_until_the_members_have_made_up_for_it_together() {
        let mut state = ClientState::default();
        settle(&mut state, &[0, 1], &[Some(100), Some(200)]);
        let unchanged = state.clone();
        assert!(!state.set(energy(300)) && state == unchanged, "no rise");
        assert!(state.set(energy(350)));
        let steps = [(Some(130), Some(200), 350, 20), (Some(130), Some(215), 350, 5), (Some(134), Some(219), 353, 0)];
        for (one, other, expected, ahead) in steps {
            settle(&mut state, &[0, 1], &[one, other]);
            let published = |wanted: MeterId| if wanted == id(0) { one.map(energy) } else { other.map(energy) };
            assert_eq!((state.energy, state.ahead(published)), (Some(energy(expected)), energy(ahead)));
        }
        assert!(!ClientState::default().set(energy(1)), "nobody is there to make up for it");
    }

    #[test]
    fn who_leaves_takes_nothing_along_of_what_is_to_be_made_up_for() {
        let mut state = ClientState::default();
        settle(&mut state, &[0, 1], &[Some(100), Some(200)]);
        assert!(state.set(energy(350)));
        let left = settle(&mut state, &[1], &[Some(110), Some(200)]);
        assert_eq!((left.left, left.joined), (vec![id(0)], vec![]));
        settle(&mut state, &[1], &[Some(500), Some(239)]);
        assert_eq!(state.energy, Some(energy(350)));
        settle(&mut state, &[1], &[Some(500), Some(241)]);
        assert_eq!(state.energy, Some(energy(351)));
    }

    #[test]
    fn a_figure_that_json_could_not_carry_stands_still() {
        let mut state = ClientState::default();
        settle(&mut state, &[0, 1], &[Some(MilliwattHours::MAX.get() - 1), Some(0)]);
        settle(&mut state, &[0, 1], &[Some(MilliwattHours::MAX.get() - 1), Some(5)]);
        assert_eq!(state.energy, Some(energy(MilliwattHours::MAX.get() - 1)));
    }

    proptest! {
        /// Whatever joins and leaves and is set: the figure never falls, and after its beginning it rises by exactly the advances that
        /// members made while they were members, but for what they have to make up for; and it need only be stored when one joins or
        /// leaves, or when it is set.
        #[test]
        fn it_never_falls_and_never_exceeds_its_members_advances(
            steps in prop::collection::vec(
                (prop::collection::vec(any::<bool>(), 4), prop::collection::vec(0u64..1000, 4), prop::option::of(0u64..3000)),
                1..60,
            ),
        ) {
            let mut state = ClientState::default();
            let mut published = [Some(7), Some(70), None, Some(7000)];
            let mut inside: Vec<usize> = vec![0, 1];
            settle(&mut state, &inside, &published);
            let mut stored = state.clone();
            let (mut owed, mut ahead) = (77, 0);
            for (joined, advances, set) in steps {
                for (index, advance) in advances.iter().enumerate() {
                    let before = published[index];
                    published[index] = Some(before.unwrap_or(500) + advance);
                    if inside.contains(&index) && before.is_some() {
                        let paid = ahead.min(*advance);
                        (owed, ahead) = (owed + advance - paid, ahead - paid);
                    }
                }
                let next: Vec<usize> = (0..4).filter(|index| joined[*index]).collect();
                let before = state.energy;
                if settle(&mut state, &next, &published).regrouped() {
                    stored = state.clone();
                }
                let mut followed = stored.clone();
                followed.follow(|wanted| published[(0..4).find(|index| id(*index) == wanted)?].map(energy));
                prop_assert_eq!(&followed, &state, "what is stored when members change says the rest");
                prop_assert!(state.energy >= before);
                prop_assert_eq!(state.energy, Some(energy(owed)));
                if ahead == 0 || !next.is_empty() {
                    inside = next;
                }
                if let Some(more) = set.filter(|more| *more > 0 && !inside.is_empty()) {
                    prop_assert!(state.set(energy(owed + more)));
                    stored = state.clone();
                    (owed, ahead) = (owed + more, ahead + more);
                }
            }
        }
    }
}
