//! `[profile.NAME]`: the installer's own profiles; and how a meter of a profile is installed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::tables::{self, Table, TableMap};
use crate::finding::Finding;
use crate::form::{Field, Findings, Form};
use crate::meter::{self, Installation, Profile, TransformerRatio};
use crate::units::{Milliwatts, Name};

/// The profiles that a meter can name.
pub(super) struct Profiles {
    own: TableMap<Arc<Profile>>,
}

impl Profiles {
    /// Reads the installer's own. None may replace a built-in one: a mix-up would show only in the figures.
    pub(super) fn read(root: &Form<'_>) -> Self {
        let own = root.named_tables("profile").into_iter().map(|(name, form)| {
            let span = form.span();
            if meter::library().find(name.as_str()).is_some() {
                let finding =
                    Finding::error(span.clone(), format!("[profile.{name}] has the name of a built-in profile"));
                form.findings().add(finding.help("rename it, also in its meters"));
            }
            let findings = form.findings();
            let value = Profile::from_form(&name, form).map(Arc::new);
            (name, Table { span, value }, findings)
        });
        let own: Vec<_> = own.collect();
        // Names first: an alias must not hide a profile that comes later.
        let mut names: BTreeMap<Name, Name> = own.iter().map(|(name, ..)| (name.clone(), name.clone())).collect();
        let mut all = BTreeMap::new();
        for (name, table, findings) in own {
            if let Some(profile) = &table.value {
                check_aliases(profile, &table.span, &mut names, findings);
            }
            all.insert(name, table);
        }
        Profiles { own: all }
    }

    /// The installer's own, as far as they are valid.
    pub(super) fn into_own(self) -> Vec<Arc<Profile>> {
        self.own.into_values().filter_map(|entry| entry.value).collect()
    }

    /// The profile that the field names.
    pub(super) fn find(&self, field: &Field<'_>) -> Option<Arc<Profile>> {
        let text = field.text()?;
        if let Some(own) = self.own.get(text) {
            // Its problems are reported in its own table.
            return own.value.clone();
        }
        let has_alias = |profile: &&Arc<Profile>| profile.aliases.iter().any(|alias| alias.as_str() == text);
        if let Some(own) = self.own.values().filter_map(|table| table.value.as_ref()).find(has_alias) {
            return Some(own.clone());
        }
        let library = meter::library();
        if let Some(entry) = library.find(text) {
            return Some(entry.profile.clone());
        }
        let near = tables::near(text, self.own.keys().map(|name| name.as_str()))
            .or_else(|| Some(text).filter(|text| text.len() <= 64).and_then(|text| library.nearest(text)));
        let help = match near {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => {
                "`arkmeter profiles` lists the built-in ones; define others in this file as [profile.NAME]".to_owned()
            }
        };
        field.fail(&format!("is unknown: there is no profile \"{}\"", crate::text::foreign(text, 64)), help)
    }
}

/// Reports aliases that another profile has. `names` has the names and aliases so far, each with its profile.
pub(super) fn check_aliases(
    profile: &Profile,
    span: &Range<usize>,
    names: &mut BTreeMap<Name, Name>,
    findings: &Findings,
) {
    let name = &profile.name;
    for alias in &profile.aliases {
        let built_in = meter::library().find(alias.as_str()).map(|entry| entry.profile.name.clone());
        let other = built_in.or_else(|| names.insert(alias.clone(), name.clone()));
        if let Some(other) = other {
            let message = format!("[profile.{name}] has the alias {alias}, which the profile {other} has already");
            findings.add(Finding::error(span.clone(), message).help("leave it out of one of them"));
        }
    }
}

/// The map of the profile that the key `map` selects, or else the profile itself.
pub(super) fn mapped(form: &Form<'_>, profile: Option<Arc<Profile>>) -> Option<Arc<Profile>> {
    let Some(field) = form.field("map") else { return profile };
    let (text, profile) = (field.text()?, profile?);
    if let Some(map) = profile.map(text) {
        return Some(map.profile.clone());
    }
    let names: Vec<_> = profile.maps.iter().map(|map| format!("\"{}\"", map.name)).collect();
    let help = match names.as_slice() {
        [] => "remove it".to_owned(),
        names => format!("one of: {}", names.join(", ")),
    };
    field.fail(&format!("is not a map of profile {}", profile.name), help)
}

/// How the meter is wired, and what its connection can carry.
pub(super) fn installed(form: &Form<'_>, profile: Option<&Profile>) -> Option<(Installation, Milliwatts)> {
    let reversed_field = form.field("reversed");
    let reversed = reversed_field.as_ref().map_or(Some(false), Field::boolean);
    let ct_ratio = form.or("ct_ratio", TransformerRatio::ONE, ratio);
    let pt_ratio = form.or("pt_ratio", TransformerRatio::ONE, ratio);
    let max_power = form.maybe("max_power", Field::power);
    let chain_meter = form.maybe("chain_meter", |field| u8::try_from(field.integer(1..=99)?).ok());
    let profile = profile?;
    let (ct_ratio, pt_ratio, chain_meter) = (ct_ratio?, pt_ratio?, chain_meter?);
    let installation = Installation { reversed: reversed?, ct_ratio, pt_ratio, chain_meter };
    if let (true, None, Some(field)) = (chain_meter.is_some(), &profile.chain, form.field("chain_meter")) {
        return field.fail("has no effect", format!("profile {} has no chain of models: remove it", profile.name));
    }
    if installation.reversed && !profile.can_reverse() {
        let help = "this meter has no export counter: swap its wires, or use a profile with `export_energy`";
        return reversed_field?.fail("is not possible: the profile has no counter for the other direction", help);
    }
    let Some(max_power) = max_power?.or_else(|| profile.rated_power(&installation)) else {
        let message =
            format!("[{}] lacks `max_power`, and profile {} does not rate the meter", form.path(), profile.name);
        form.findings().doubt(Finding::error(form.span(), message).help(
            "what the connection can carry, such as \"20kW\": fuse x voltage x phases. Readings above it are not plausible",
        ));
        return None;
    };
    Some((installation, max_power))
}

fn ratio(field: &Field<'_>) -> Option<TransformerRatio> {
    let ratio = TransformerRatio::parse(field.number_text()?);
    ratio.or_else(|| {
        field.fail("is not a transformer ratio", "primary/secondary as on its plate, \"200/5\", or one number, 40")
    })
}
