//! How a client follows its members, and what it keeps when they change.

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
fn a_member_counts_from_joining_and_its_energy_remains_when_it_leaves() {
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
fn a_set_figure_stands_still_until_the_members_together_have_caught_up() {
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
fn a_member_that_leaves_does_not_shorten_the_standstill() {
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
fn a_figure_at_the_json_limit_stands_still() {
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
