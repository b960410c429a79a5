//! Messages about names. A meter that was renamed only in the configuration looks like a new one to the ledger. Pure.

use std::collections::BTreeSet;

use crate::units::Name;

/// The most names that are listed.
const LISTED: usize = 5;

/// The warning if the configuration names meters of which the ledger has no figure, while it has figures of meters that the configuration
/// does not name.
pub fn unmatched(configured: &BTreeSet<&Name>, known: &BTreeSet<&Name>) -> Option<String> {
    let new: Vec<_> = configured.difference(known).map(|name| name.as_str()).collect();
    let left: Vec<_> = known.difference(configured).map(|name| name.as_str()).collect();
    let example = format!("`arkmeter ledger rename {} {}`", left.first()?, new.first()?);
    let (new, left) = (listed(&new), listed(&left));
    Some(format!(
        "the ledger has no figure of {new}, and has figures of {left}, which the configuration does not name: if a meter was only renamed, \
         {example} keeps its figure"
    ))
}

/// Why a reading waits for the operator: it may belong to the figure of another meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NameConflict {
    /// The meter answers like this one, which the configuration no longer names.
    Left(Name),
    /// The meter answers like this one, which the configuration has at another place.
    Renamed(Name),
    /// The figure of its name is that of the meter which the configuration still calls by this name.
    Namesake(Name),
}

impl NameConflict {
    /// Why nothing of `meter` is taken, and what to do.
    pub(super) fn wording(&self, meter: &Name) -> String {
        match self {
            NameConflict::Left(other) => format!(
                "{meter} answers like {other}, which the configuration no longer names: `arkmeter ledger rename {other} {meter}` if it is \
                 the same meter, `arkmeter ledger accept {meter}` if it is another"
            ),
            NameConflict::Renamed(other) => format!(
                "{meter} answers like {other}, which the configuration has at another place: if it was renamed in the ledger, rename it in the \
                 configuration as well; if it is another meter, `arkmeter ledger accept {meter}`"
            ),
            NameConflict::Namesake(other) => format!(
                "{meter} is the ledger's name of the meter that the configuration calls {other}: rename it in the configuration as well; if \
                 this is {meter} after all, at another place, `arkmeter ledger accept {meter}`"
            ),
        }
    }
}

/// The known name that is most similar to a wrong one.
pub(crate) fn nearest<'a>(wrong: &Name, known: impl Iterator<Item = &'a Name>) -> Option<Name> {
    let rated = known.map(|name| (name, strsim::jaro_winkler(wrong.as_str(), name.as_str())));
    let similar = rated.filter(|(_, similarity)| *similarity > 0.75);
    similar.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(name, _)| name.clone())
}

/// Some of these names, and how many more there are.
pub(super) fn listed(names: &[&str]) -> String {
    match names.len().checked_sub(LISTED) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..LISTED].join(", ")),
    }
}

#[cfg(test)]
mod tests;
