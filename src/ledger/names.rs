//! Words about names: a meter's ledger is kept by the meter's name, and one that was renamed in the configuration only seems new. Pure.

use std::collections::BTreeSet;

use crate::units::Name;

/// Names that are listed, at most.
const LISTED: usize = 5;

/// What is to be said where the configuration names meters of which the ledger has no figure, and the ledger has figures of meters that
/// the configuration does not name.
pub fn strangers(configured: &BTreeSet<&Name>, known: &BTreeSet<&Name>) -> Option<String> {
    let new: Vec<_> = configured.difference(known).map(|name| name.as_str()).collect();
    let left: Vec<_> = known.difference(configured).map(|name| name.as_str()).collect();
    let example = format!("`arkmeter ledger rename {} {}`", left.first()?, new.first()?);
    let (new, left) = (listed(&new), listed(&left));
    Some(format!(
        "the ledger has no figure of {new} and keeps that of {left}, which the configuration does not name (any more): if a meter was \
         only renamed, {example} lets its ledger go on"
    ))
}

/// Why a reading of a meter waits: it may belong to the ledger of another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NameConflict {
    /// It answers as this one did, which the configuration does not name any more.
    Left(Name),
    /// It answers as this one did, which the configuration has at another place.
    Renamed(Name),
    /// Its own ledger is that of a meter which the configuration still calls by this name.
    Namesake(Name),
}

impl NameConflict {
    /// Why nothing of `meter` is taken, and what to do.
    pub(super) fn wording(&self, meter: &Name) -> String {
        match self {
            NameConflict::Left(other) => format!(
                "{meter} answers as {other} did, which the configuration does not name any more: `arkmeter ledger rename {other} {meter}` \
                 if it is the same meter, `arkmeter ledger accept {meter}` if it is another"
            ),
            NameConflict::Renamed(other) => format!(
                "{meter} answers as {other} did, which the configuration has at another place: if it was renamed in the ledger, rename it in \
                 the configuration as well; if it is another meter, `arkmeter ledger accept {meter}`"
            ),
            NameConflict::Namesake(other) => format!(
                "{meter} is the ledger's name of the meter that the configuration calls {other}: rename it in the configuration as well; if it \
                 is {meter} all the same, at another place, `arkmeter ledger accept {meter}`"
            ),
        }
    }
}

/// The name most like the one that nobody knows.
pub(super) fn nearest<'a>(wrong: &Name, known: impl Iterator<Item = &'a Name>) -> Option<Name> {
    let alike = known.map(|name| (name, strsim::jaro_winkler(wrong.as_str(), name.as_str())));
    let alike = alike.filter(|(_, likeness)| *likeness > 0.75);
    alike.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(name, _)| name.clone())
}

/// Some of these names, and how many more there are.
pub(super) fn listed(names: &[&str]) -> String {
    match names.len().checked_sub(LISTED) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..LISTED].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::testing::name;

    #[test]
    fn only_where_both_sides_have_strangers_a_meter_may_have_been_renamed() {
        let [a, b, c] = ["a", "b", "c"].map(name);
        assert_eq!(strangers(&[&a, &b].into(), &[&a].into()), None, "a new one");
        assert_eq!(strangers(&[&a].into(), &[&a, &b].into()), None, "one that left");
        let said = strangers(&[&a, &b].into(), &[&a, &c].into()).unwrap();
        assert!(said.contains("`arkmeter ledger rename c b`"), "{said}");
        let many: Vec<_> = (0..7).map(|index| name(&format!("m{index}"))).collect();
        let said = strangers(&many.iter().collect(), &[&a].into()).unwrap();
        assert!(said.contains("m4 and 2 more"), "{said}");
    }

    #[test]
    fn the_nearest_name_is_named_and_a_far_one_is_not() {
        let known = ["heat_pump", "sauna"].map(name);
        assert_eq!(nearest(&name("heatpump"), known.iter()), Some(name("heat_pump")));
        assert_eq!(nearest(&name("x"), known.iter()), None);
    }
}
