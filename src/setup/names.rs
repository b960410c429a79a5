//! The answer with the names of the meters: `heat_pump sauna=eastron-sdm120 -`.

use super::answers::SetupMeter;
use crate::meter::library;
use crate::units::Name;

/// What a name consists of.
pub(super) const NAME_FORM: &str = "1 to 64 letters from a to z, digits, `_` and `-`";

/// What is done with one meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NameAnswer {
    /// It is left out: `-`.
    Skip,
    /// Its name, and its model if the found one is replaced: `NAME` or `NAME=MODEL`.
    Keep(Name, Option<Name>),
}

/// Reads one word for each meter. `taken` are names of the configuration.
///
/// # Errors
/// What is wrong with the first word that does not fit.
pub(super) fn parse_all(text: &str, meters: &[SetupMeter], taken: &[Name]) -> Result<Vec<NameAnswer>, String> {
    let words: Vec<_> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    if words.len() != meters.len() {
        return Err(format!(
            "{} names for {} meters: write one for each, without a space in it, or `-` to leave it out",
            words.len(),
            meters.len()
        ));
    }
    let mut answers: Vec<NameAnswer> = Vec::new();
    for (word, meter) in words.into_iter().zip(meters) {
        let answer = parse(word)?;
        if let NameAnswer::Keep(name, model) = &answer {
            if taken.contains(name) {
                return Err(format!("{name} is in the configuration already: choose another name"));
            }
            if answers.iter().any(|other| matches!(other, NameAnswer::Keep(known, _) if known == name)) {
                return Err(format!("{name} is there twice: each meter has its own name"));
            }
            if meter.profile.is_none() && model.is_none() {
                return Err(format!(
                    "the model of {name} is unknown: write {name}=MODEL, or `-` to leave it out (`arkmeter profiles list` lists the models, \
                     `arkmeter inspect` shows the registers of one that has none)"
                ));
            }
        }
        answers.push(answer);
    }
    if answers.iter().all(|answer| *answer == NameAnswer::Skip) {
        return Err("no meter is left: name at least one".to_owned());
    }
    Ok(answers)
}

fn parse(word: &str) -> Result<NameAnswer, String> {
    if word == "-" {
        return Ok(NameAnswer::Skip);
    }
    let (name, model) = match word.split_once('=') {
        Some((name, model)) => (name, Some(model)),
        None => (word, None),
    };
    let shown = crate::text::foreign(name, 40);
    let name = Name::new(name).ok_or_else(|| format!("`{shown}` is not a name: {NAME_FORM}"))?;
    Ok(NameAnswer::Keep(name, model.map(model_named).transpose()?))
}

/// The built-in model of this name.
///
/// # Errors
/// Without one, with similar names.
pub(super) fn model_named(text: &str) -> Result<Name, String> {
    match library().find(text) {
        Some(entry) => Ok(entry.profile.name.clone()),
        None => {
            let near = library().near(text);
            let near = if near.is_empty() { String::new() } else { format!("did you mean {}? ", near.join(", ")) };
            let text = crate::text::foreign(text, 40);
            Err(format!("there is no model `{text}`: {near}`arkmeter profiles list` lists them"))
        }
    }
}
