//! The state in the store, and how a judgement is explained.

use super::*;

#[test]
fn a_state_of_an_older_program_is_read() {
    let state: GuardState = serde_json::from_str("{}").unwrap();
    assert_eq!(state, GuardState::default());
    let state: GuardState = serde_json::from_str(r#"{"published": 7, "power": {}, "of a newer one": 1}"#).unwrap();
    assert_eq!(state.published().map(u64::from), Some(7));
}

#[test]
fn a_verdict_is_written_as_its_word() {
    for verdict in [Verdict::Baseline, Verdict::Unchanged, Verdict::Advanced, Verdict::Restored, Verdict::Redefined] {
        assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.as_str());
    }
}

#[test]
fn an_explanation_changes_nothing_and_names_the_bounds() {
    let mut bench = Bench::at(180 * KWH);
    bench.pass(10);
    let register = Register {
        value: MilliwattHours::new(180 * KWH + 20_000).unwrap(),
        step: MilliwattHours::new(10_000).unwrap(),
    };
    let values = Values { register: Some(register), ..Values::default() };
    let explanation = explain(&bench.state, &bench.settings, &bench.stamp(), &values).unwrap();
    let flow = explanation.flow.unwrap();
    assert_eq!(explanation.hypotheses, [Hypothesis::Continues]);
    assert!(flow.least <= flow.measured && flow.measured <= flow.usual && flow.usual <= flow.most, "{flow:?}");
    let fallen = Values { register: Some(Register { value: MilliwattHours::ZERO, ..register }), ..Values::default() };
    let explanation = explain(&bench.state, &bench.settings, &bench.stamp(), &fallen).unwrap();
    assert_eq!((explanation.flow, explanation.hypotheses), (None, vec![Hypothesis::Lower]));
}

#[test]
fn a_rate_that_is_hardly_higher_is_not_worth_storing() {
    let mut bench = Bench::at(180 * KWH);
    bench.power = Some(1_500_000);
    bench.read_for(60, 180 * KWH);
    let stored = bench.state.memory.clone();
    bench.power = Some(1_550_000);
    bench.read_for(60, 180 * KWH);
    assert!(!bench.state.memory.differs_from(&stored));
    bench.power = Some(1_700_000);
    bench.read_for(60, 180 * KWH);
    assert!(bench.state.memory.differs_from(&stored));
}
