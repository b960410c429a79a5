//! Corrections never let published fall, and each changes exactly the intended energy.

use proptest::prelude::*;

use super::*;
use crate::guard::settings::CounterSettings;
use crate::guard::testing::{at, energy, meter, reading, state, stored};
use crate::guard::{accept, credit, judge};
use crate::reading::Reading;
use crate::units::Milliwatts;

/// Polls from `seconds` on, every 10 s; returns the last state and all journal entries.
fn polls(state: GuardState, seconds: u64, registers: &[u64]) -> (GuardState, Vec<GuardEvent<Reason>>) {
    polls_of(state, seconds, registers, |_| {})
}

/// The same without any power: the register is right not to move.
fn idle_polls(state: GuardState, seconds: u64, registers: &[u64]) -> (GuardState, Vec<GuardEvent<Reason>>) {
    polls_of(state, seconds, registers, |reading| reading.values.power = Some(Milliwatts(0)))
}

fn polls_of(
    mut state: GuardState,
    seconds: u64,
    registers: &[u64],
    change: fn(&mut Reading),
) -> (GuardState, Vec<GuardEvent<Reason>>) {
    let mut entries = Vec::new();
    for (poll, register) in registers.iter().enumerate() {
        let mut reading: Reading = reading("a", seconds + 10 * poll as u64, *register);
        change(&mut reading);
        let judged = judge(state.clone(), &meter("a"), &reading.at, &reading.values);
        entries.extend(judged.entry);
        state = judged.state;
    }
    (state, entries)
}

/// A meter at 1 kWh whose register fell to 0.2 kWh and stayed there, which counts as a reset.
fn after_reset() -> (GuardState, GuardEvent<Reason>) {
    let (after, entries) = idle_polls(state(&meter("a"), 1_000_000), 100, &[200_000; 70]);
    let reset = entries.into_iter().find(|entry| entry.verdict == Verdict::Reset).unwrap();
    (after, reset)
}

#[test]
fn an_accepted_hold_gives_the_same_result_as_waiting() {
    let (held, _) = polls(state(&meter("a"), 1_000_000), 100, &[200_000; 3]);
    assert!(held.held().is_some());
    let accepted = accept(&held, &meter("a"), &at(140)).unwrap();
    assert_eq!(accepted.verdict, Verdict::Reset);
    assert!(accepted.state.held().is_none());
    assert_eq!(accepted.state.published(), Some(energy(1_000_000)));
    let (after, _) = polls(accepted.state, 150, &[210_000]);
    assert_eq!(after.published(), Some(energy(1_010_000)));
    assert_eq!(accept(&after, &meter("a"), &at(200)), None);
}

#[test]
fn an_implausible_first_figure_counts_once_accepted() {
    let lifetimes = 40 * 365 * 24 * 20_000_000_u64;
    let (held, _) = polls(GuardState::default(), 0, &[lifetimes; 5]);
    assert!(held.published().is_none() && held.held().is_some());
    let accepted = accept(&held, &meter("a"), &at(60)).unwrap();
    assert_eq!(accepted.state.published(), Some(energy(lifetimes)));
}

#[test]
fn the_figure_at_arkreen_is_the_minimum_until_the_counter_exceeds_it() {
    let before = state(&meter("a"), 1_000_000);
    let set = set(&before, &meter("a"), &at(100), energy(1_015_000)).unwrap();
    assert_eq!(set.state.published(), Some(energy(1_015_000)));
    let (after, _) = polls(set.state.clone(), 110, &[1_010_000]);
    assert_eq!(after.published(), Some(energy(1_015_000)));
    let (after, _) = polls(after, 120, &[1_020_000]);
    assert_eq!(after.published(), Some(energy(1_020_000)));
    let lower = super::set(&set.state, &meter("a"), &at(100), energy(1_015_000)).unwrap_err();
    assert!(lower.to_string().contains("never falls"), "{lower}");
}

#[test]
fn an_exchange_is_counted_exactly_before_and_after_the_new_meter_counts() {
    let old = state(&meter("a"), 1_000_000);
    let told = |state: &GuardState, seconds| {
        replace(state, &meter("a"), &at(seconds), energy(1_006_000), energy(3_000)).map(|judged| judged.state)
    };
    // The command comes at once, during the hold, and after the reset.
    let (seen, _) = polls(told(&old, 400).unwrap(), 410, &[4_000, 5_000]);
    assert_eq!(seen.published(), Some(energy(1_008_000)));
    let (held, _) = polls(old.clone(), 400, &[4_000; 3]);
    let (seen, _) = polls(told(&held, 430).unwrap(), 440, &[5_000]);
    assert_eq!(seen.published(), Some(energy(1_008_000)));
    let (reset, entries) = idle_polls(old.clone(), 400, &[4_000; 70]);
    assert!(entries.iter().any(|entry| entry.verdict == Verdict::Reset));
    assert_eq!(told(&reset, 1110).unwrap().published(), Some(energy(1_007_000)));
    // A repeated command has no effect.
    let twice = told(&told(&reset, 1110).unwrap(), 1120).unwrap();
    assert_eq!(twice.published(), Some(energy(1_007_000)));
}

#[test]
fn an_exchange_with_impossible_readings_is_refused() {
    let old = state(&meter("a"), 1_000_000);
    let (held, _) = polls(old.clone(), 400, &[4_000; 3]);
    for (state, last, first, option) in [
        (&old, 900_000, 0, "--old-reading"),
        (&old, 900_000_000, 0, "--old-reading"),
        (&held, 1_006_000, 5_000, "--new-reading"),
    ] {
        let refused = replace(state, &meter("a"), &at(430), energy(last), energy(first)).unwrap_err();
        assert!(refused.to_string().contains(option), "{refused}");
    }
    let (reset, _) = polls(old, 400, &[50_000_000; 70]);
    let refused = replace(&reset, &meter("a"), &at(1110), energy(1_006_000), energy(0)).unwrap_err();
    assert!(refused.to_string().contains("--new-reading"), "{refused}");
}

#[test]
fn an_undone_reset_keeps_published_until_the_register_exceeds_it() {
    let (after, reset) = after_reset();
    assert_eq!(after.published(), Some(energy(1_000_000)));
    assert_eq!(after.counted(), Some(1_000_000));
    let undone = undo(&after, &meter("a"), &at(900), 7, &reset).unwrap();
    assert_eq!(undone.state.published(), Some(energy(1_000_000)));
    assert_eq!(undone.state.counted(), Some(200_000));
    assert_eq!(undone.entry.as_ref().unwrap().undoes, Some(7));
    // Undoing the undo restores the reset.
    let again = undo(&undone.state, &meter("a"), &at(910), 8, &undone.entry.unwrap()).unwrap();
    assert_eq!(again.state.counted(), Some(1_000_000));
}

#[test]
fn an_undone_step_is_credited_and_an_undone_credit_is_removed() {
    let (after, entries) = polls(state(&meter("a"), 1_000_000), 100, &[900_000_000; 70]);
    let step = entries.iter().find(|entry| entry.verdict == Verdict::Stepped).unwrap();
    assert_eq!(after.published(), Some(energy(1_000_000)));
    let undone = undo(&after, &meter("a"), &at(900), 3, step).unwrap();
    assert_eq!(undone.state.published(), Some(energy(900_000_000)));

    let credited = credit(&after, &meter("a"), &at(900), energy(500)).unwrap();
    assert_eq!(credited.state.published(), Some(energy(1_000_500)));
    let undone = undo(&credited.state, &meter("a"), &at(910), 4, &credited.entry.unwrap()).unwrap();
    assert_eq!((undone.state.published(), undone.state.counted()), (Some(energy(1_000_500)), Some(1_000_000)));
}

/// A meter without a counter at 3.6 kW: its state after these polls, each 10 s and 10 Wh.
fn integrated(mut state: GuardState, polls: std::ops::Range<u64>) -> GuardState {
    let settings = MeterSettings { counter: CounterSettings::FromPower, ..meter("a") };
    for poll in polls {
        let mut reading = reading("a", 10 * poll, 0);
        reading.values.register = None;
        state = judge(state, &settings, &reading.at, &reading.values).state;
    }
    state
}

#[test]
fn an_undone_credit_without_a_counter_keeps_published_until_it_is_covered() {
    let settings = MeterSettings { counter: CounterSettings::FromPower, ..meter("a") };
    let before = integrated(GuardState::default(), 0..11);
    assert_eq!((before.published(), before.counted()), (Some(energy(100_000)), Some(100_000)));
    let credited = credit(&before, &settings, &at(105), energy(25_000)).unwrap();
    assert_eq!(credited.state.published(), Some(energy(125_000)));
    let undone = undo(&credited.state, &settings, &at(106), 4, &credited.entry.unwrap()).unwrap();
    assert_eq!((undone.state.published(), undone.state.counted()), (Some(energy(125_000)), Some(100_000)));
    assert_eq!(ahead(&undone.state), Some(energy(25_000)));
    // The state is stored and read in between.
    let half = integrated(undone.state.clone(), 11..13);
    assert_eq!((half.published(), half.counted()), (Some(energy(125_000)), Some(120_000)));
    let half = stored(&half);
    let after = integrated(half, 13..21);
    assert_eq!((after.published(), ahead(&after)), (Some(energy(200_000)), None));
    // Undoing the undo restores the credit. A credit in between first covers the debt.
    let again = undo(&undone.state, &settings, &at(107), 5, &undone.entry.unwrap()).unwrap();
    assert_eq!((again.state.published(), again.state.counted()), (Some(energy(125_000)), Some(125_000)));
    let paid = credit(&undone.state, &settings, &at(107), energy(30_000)).unwrap();
    assert_eq!((paid.state.published(), paid.state.counted()), (Some(energy(130_000)), Some(130_000)));
}

#[test]
fn impossible_energy_is_neither_credited_nor_set() {
    let (state, settings) = (state(&meter("a"), 1_000_000), meter("a"));
    // 20 kW for 30 years, in mWh.
    let lifetime = 20_000_000 * 24 * 365 * 30;
    for (refused, said) in [
        (credit(&state, &settings, &at(100), energy(lifetime + 1)), "30 years"),
        (set(&state, &settings, &at(100), energy(1_000_000 + lifetime + 1)), "30 years"),
        (credit(&state, &settings, &at(100), energy(0)), "changes nothing"),
    ] {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(said), "{refused}");
    }
    assert!(credit(&state, &settings, &at(100), energy(lifetime)).is_ok());
    let set = set(&state, &settings, &at(100), energy(1_000_000 + lifetime)).unwrap();
    assert_eq!(ahead(&set.state), Some(energy(lifetime)));
}

#[test]
fn an_entry_without_effect_on_the_figure_cannot_be_undone() {
    let (after, entries) = polls(state(&meter("a"), 1_000_000), 100, &[0, 1_000_000]);
    assert_eq!(entries.len(), 2, "{entries:?}");
    for entry in entries {
        let refused = undo(&after, &meter("a"), &at(200), 5, &entry).unwrap_err();
        assert!(matches!(refused, DecisionError::NothingToUndo { entry: 5, .. }), "{refused}");
    }
}

#[derive(Clone, Debug)]
enum Act {
    Poll(u64),
    Jump(u64),
    Accept,
    Credit(u64),
    Set(u64),
    Replace(u64, u64),
    Undo(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0u64..50_000).prop_map(Act::Poll),
        2 => (0u64..3_000_000).prop_map(Act::Jump),
        2 => Just(Act::Accept),
        1 => (0u64..1_000_000).prop_map(Act::Credit),
        1 => (0u64..4_000_000).prop_map(Act::Set),
        1 => (0u64..3_000_000, 0u64..3_000_000).prop_map(|(old, new)| Act::Replace(old, new)),
        2 => (0usize..40).prop_map(Act::Undo),
    ]
}

proptest! {
    /// For any commands in any order published never falls, and a refused command does not change the state.
    #[test]
    fn no_correction_lets_published_fall(acts in prop::collection::vec((act(), 1u64..400), 1..60)) {
        let settings = meter("a");
        let mut state = state(&settings, 1_000_000);
        let (mut register, mut seconds) = (1_000_000u64, 100u64);
        let mut entries: Vec<GuardEvent<Reason>> = Vec::new();
        for (act, pause) in acts {
            seconds += pause;
            let now = at(seconds);
            let poll = |register| {
                let reading = reading("a", seconds, register);
                Some(judge(state.clone(), &settings, &reading.at, &reading.values))
            };
            let judged = match act {
                Act::Poll(more) => { register += more; poll(register) }
                Act::Jump(to) => { register = to; poll(register) }
                Act::Accept => accept(&state, &settings, &now),
                Act::Credit(more) => credit(&state, &settings, &now, energy(more)).ok(),
                Act::Set(floor) => set(&state, &settings, &now, energy(floor)).ok(),
                Act::Replace(old, new) => replace(&state, &settings, &now, energy(old), energy(new)).ok(),
                Act::Undo(index) => entries.get(index).and_then(|entry| undo(&state, &settings, &now, index as i64, entry).ok()),
            };
            let Some(judged) = judged else { continue };
            prop_assert!(judged.state.published() >= state.published(), "{:?}", judged.entry);
            let floor = judged.state.published().map(|energy| energy.get() as i64);
            prop_assert!(judged.state.counted() <= floor);
            entries.extend(judged.entry);
            state = judged.state;
        }
    }

    /// An exchange credits exactly what the old meter counted to its end.
    #[test]
    fn an_exchange_credits_exactly(more in 0u64..60_000, new in 0u64..10_000_000, later in 0u64..2_000) {
        let old = state(&meter("a"), 1_000_000);
        let exchanged = replace(&old, &meter("a"), &at(400), energy(1_000_000 + more), energy(new)).unwrap().state;
        prop_assert_eq!(exchanged.published(), Some(energy(1_000_000 + more)));
        let (seen, _) = polls(exchanged, 410, &[new + later]);
        prop_assert_eq!(seen.published(), Some(energy(1_000_000 + more + later)));
    }
}
