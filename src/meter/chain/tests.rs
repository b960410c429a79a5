//! Walks along complete and broken chains.

use proptest::prelude::*;

use super::*;

fn chain() -> Chain {
    Chain { bases: BASES.to_vec(), models: vec![203], meter: None, manufacturer: None }
}

/// The chain as a device has it: `SunS` at the base, the models, the end mark.
fn device(base: u16, models: &[(u16, u16)]) -> impl Fn(u16) -> Result<Vec<u16>, u8> {
    let mut headers = vec![(base, MARK.to_vec())];
    let mut address = base + 2;
    for (id, length) in models {
        headers.push((address, vec![*id, *length]));
        address = address.saturating_add(2).saturating_add(*length);
    }
    headers.push((address, vec![END, 0]));
    move |address| headers.iter().find(|(at, _)| *at == address).map(|(_, words)| words.clone()).ok_or(2)
}

/// The result and how many requests it took.
fn walked(device: impl Fn(u16) -> Result<Vec<u16>, u8>, likely: Option<u16>) -> (Option<Walked>, usize) {
    let mut walk = Walk::new(&chain(), Function::Holding, likely);
    let mut requests = 0;
    while let Some(request) = walk.next_request() {
        requests += 1;
        assert!(requests < 200, "every walk ends");
        let answer = device(request.address);
        walk.record(answer.as_deref().map_err(|code| *code));
    }
    (walk.finish(), requests)
}

#[test]
fn a_chain_is_walked_from_each_base_to_its_end() {
    for base in BASES {
        let (found, _) = walked(device(base, &[(1, 65), (103, 50), (1, 65), (203, 105)]), None);
        let found = found.unwrap();
        assert_eq!((found.base, found.broken), (base, None));
        let last = found.models.last().unwrap();
        assert_eq!((last.id, last.start, last.length), (203, base + 188, 105));
    }
    assert_eq!(walked(|_| Err(2), None), (None, 4));
    assert_eq!(walked(|_| Ok(vec![0x5375, 0x6E54]), None).0, None, "another word than SunS");
}

#[test]
fn the_likely_base_is_tried_first() {
    let (found, requests) = walked(device(50000, &[(1, 65)]), Some(50000));
    assert_eq!((found.unwrap().base, requests), (50000, 3));
    assert_eq!(
        walked(device(0, &[(1, 65)]), Some(4711)).0.unwrap().base,
        0,
        "a base that the profile lacks is ignored"
    );
}

#[test]
fn a_broken_chain_says_why_and_keeps_what_came_before() {
    let broken = |models: &[(u16, u16)]| walked(device(40000, models), None).0.unwrap();
    let beyond = broken(&[(1, 65), (203, 65000)]);
    assert_eq!(beyond.models.len(), 1);
    assert!(beyond.broken.unwrap().contains("model 203 at 40069 ends beyond register 65535"));
    let endless = broken(&[(7, 0); 150]);
    assert_eq!(endless.models.len(), MAX_MODELS);
    assert!(endless.broken.unwrap().contains("no end"));
    let nothing = broken(&[(1, 65), (0, 0)]);
    assert!(nothing.broken.unwrap().contains("at 40069 there is neither a model nor the end mark"));
    let short = |address| if address < 40069 { device(40000, &[(1, 65)])(address) } else { Err(2) };
    let short = walked(short, None).0.unwrap();
    assert!(short.to_string().ends_with("the models 1; it breaks off at 40069 (exception 2)"), "{short}");
}

#[test]
fn meters_are_distinguished_by_common_model_and_by_list() {
    let lists: [&[u16]; 2] = [&[203], &[213]];
    let count = |models: &[(u16, u16)]| {
        let found = walked(device(40000, models), None).0.unwrap();
        let meters = found.meters(&lists);
        meters.iter().map(|meter| meter.iter().flatten().count()).collect::<Vec<_>>()
    };
    let (common, int, float) = ((1, 65), (203, 105), (213, 124));
    assert_eq!(count(&[common, int]), [1]);
    assert_eq!(count(&[common, int, float]), [2], "one meter, in two ways");
    assert_eq!(count(&[common, int, common, float]), [1, 1], "two meters");
    assert_eq!(count(&[common, int, int, int]), [1, 1, 1]);
    assert_eq!(count(&[common, int, float, int, float]), [2, 2]);
    assert_eq!(count(&[common, (103, 50)]), [0; 0]);
}

#[test]
fn texts_of_a_common_model_have_no_control_characters() {
    let mut words = vec![0; 64];
    words[0] = 0x4163;
    words[1] = 0x6D1B;
    words[48] = 0x3131;
    assert_eq!(common_texts(&words), ["Acm?".to_owned(), String::new(), "11".to_owned()]);
    assert_eq!(common_texts(&[]), <[String; 3]>::default());
}

proptest! {
    /// For any answers the walk ends, and every model found is within the register space.
    #[test]
    fn every_walk_ends(answers in prop::collection::vec((any::<u16>(), 0_u16..900, any::<bool>()), 1..40)) {
        let mut turn = 0;
        let mut walk = Walk::new(&chain(), Function::Holding, None);
        while let Some(request) = walk.next_request() {
            let (id, length, refused) = answers[turn % answers.len()];
            let words = if walk.trial_base().is_some() { MARK } else { [id, length] };
            walk.record(if refused { Err(2) } else { Ok(&words) });
            turn += 1;
            prop_assert!(turn <= MAX_MODELS + BASES.len() + 1);
            prop_assert!(u32::from(request.address) + 2 <= 65536);
        }
        for model in walk.finish().into_iter().flat_map(|walked| walked.models) {
            prop_assert!(model.end() <= 65535);
        }
    }
}
