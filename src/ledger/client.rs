//! A client's durable figure: the sum of its members' baselines, and from then on every advance of a member, once. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::one_by_one::OneByOne;
use crate::units::{MilliwattHours, Name};

/// What the ledger remembers of one client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientState {
    /// Absent until every member has a baseline. Never falls; stands still rather than pass [`MilliwattHours::MAX`].
    pub energy: Option<MilliwattHours>,
    /// Up to which published figure each member is contained in `energy`.
    pub counted: BTreeMap<Name, MilliwattHours>,
    /// The last energy that Arkreen took, and when.
    pub accepted: Option<MilliwattHours>,
    pub accepted_at: Option<Timestamp>,
}

impl ClientState {
    /// Counts what the members' published figures have advanced, then lets go who is no member any more and takes in who is new.
    ///
    /// A leaving member keeps what it gave; a joining one counts from its figure of now, or from its baseline where it has none yet.
    /// True when the figure began, or a member joined or left: what follows from no member's figure.
    pub fn settle(&mut self, members: &[Name], published: impl Fn(&Name) -> Option<MilliwattHours>) -> bool {
        let Some(energy) = self.energy else { return self.begin(members, published) };
        let mut sum = energy;
        for (name, counted) in &mut self.counted {
            let advance = published(name).unwrap_or_default().saturating_sub(*counted);
            if let (Some(more), Some(up_to)) = (sum.checked_add(advance), counted.checked_add(advance)) {
                (sum, *counted) = (more, up_to);
            }
        }
        self.energy = Some(sum);
        let had = self.counted.len();
        self.counted.retain(|name, _| members.contains(name));
        let mut regrouped = self.counted.len() != had;
        for name in members.iter().filter(|name| !self.counted.contains_key(*name)).cloned().collect::<Vec<_>>() {
            if let Some(figure) = published(&name) {
                self.counted.insert(name, figure);
                regrouped = true;
            }
        }
        regrouped
    }

    /// Brings a figure that was stored some time ago up to what its members have published since.
    pub fn follow(&mut self, published: impl Fn(&Name) -> Option<MilliwattHours>) {
        let members: Vec<_> = self.counted.keys().cloned().collect();
        self.settle(&members, published);
    }

    /// The first figure, once all members have theirs.
    fn begin(&mut self, members: &[Name], published: impl Fn(&Name) -> Option<MilliwattHours>) -> bool {
        let figures: Option<BTreeMap<_, _>> =
            members.iter().map(|name| Some((name.clone(), published(name)?))).all_one_by_one();
        let Some(figures) = figures.filter(|all| !all.is_empty()) else { return false };
        let sum = figures.values().try_fold(MilliwattHours::ZERO, |sum, figure| sum.checked_add(*figure));
        let Some(sum) = sum else { return false };
        self.energy = Some(sum);
        self.counted = figures;
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(index: usize) -> Name {
        Name::new(&format!("m{index}")).unwrap()
    }

    fn energy(value: u64) -> MilliwattHours {
        MilliwattHours::new(value).unwrap()
    }

    fn names(members: &[usize]) -> Vec<Name> {
        members.iter().map(|index| name(*index)).collect()
    }

    fn settle(state: &mut ClientState, members: &[usize], published: &[Option<u64>]) -> bool {
        let figure = |wanted: &Name| {
            let index = (0..published.len()).find(|index| name(*index) == *wanted)?;
            published[index].map(energy)
        };
        state.settle(&names(members), figure)
    }

    #[test]
    fn it_begins_when_all_members_have_a_baseline() {
        let mut state = ClientState::default();
        assert!(!settle(&mut state, &[0, 1], &[Some(100), None]));
        assert_eq!(state.energy, None);
        assert!(settle(&mut state, &[0, 1], &[Some(110), Some(5)]));
        assert_eq!(state.energy, Some(energy(115)));
        assert!(!settle(&mut state, &[0, 1], &[Some(111), Some(5)]), "it follows from theirs");
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
    fn a_figure_that_json_could_not_carry_stands_still() {
        let mut state = ClientState::default();
        settle(&mut state, &[0, 1], &[Some(MilliwattHours::MAX.get() - 1), Some(0)]);
        settle(&mut state, &[0, 1], &[Some(MilliwattHours::MAX.get() - 1), Some(5)]);
        assert_eq!(state.energy, Some(energy(MilliwattHours::MAX.get() - 1)));
    }

    proptest! {
        /// Whatever joins and leaves: the figure never falls, and after its beginning it rises by exactly the advances that members made
        /// while they were members; and it need only be stored when one joins or leaves.
        #[test]
        fn it_never_falls_and_never_exceeds_its_members_advances(
            steps in prop::collection::vec((prop::collection::vec(any::<bool>(), 4), prop::collection::vec(0u64..1000, 4)), 1..60),
        ) {
            let mut state = ClientState::default();
            let mut published = [Some(7), Some(70), None, Some(7000)];
            let mut members: Vec<usize> = vec![0, 1];
            settle(&mut state, &members, &published);
            let mut stored = state.clone();
            let mut owed = 77;
            for (joined, advances) in steps {
                for (index, advance) in advances.iter().enumerate() {
                    let before = published[index];
                    published[index] = Some(before.unwrap_or(500) + advance);
                    if members.contains(&index) && before.is_some() {
                        owed += advance;
                    }
                }
                let next: Vec<usize> = (0..4).filter(|index| joined[*index]).collect();
                let before = state.energy;
                if settle(&mut state, &next, &published) {
                    stored = state.clone();
                }
                let mut followed = stored.clone();
                followed.follow(|wanted| published[(0..4).find(|index| name(*index) == *wanted)?].map(energy));
                prop_assert_eq!(&followed, &state, "what is stored when members change says the rest");
                prop_assert!(state.energy >= before);
                prop_assert_eq!(state.energy, Some(energy(owed)));
                members = next;
            }
        }
    }
}
