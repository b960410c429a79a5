//! Reads a file of profiles: `[profile.NAME]` tables, with or without the rest of a configuration, or the keys of one profile alone.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::load::{self, ConfigError};
use super::parse::parse_with;
use super::problems::Problems;
use super::profiles::{Profiles, check_aliases};
use crate::finding::Finding;
use crate::form::Form;
use crate::meter::Profile;
use crate::units::Name;

/// The other tables of a configuration. They are not checked.
const OTHER_TABLES: [&str; 7] = ["account", "bus", "client", "meter", "site", "state", "status"];
/// A profile without a `[profile.NAME]` has at least one of these keys.
const PROFILE_KEYS: [&str; 4] = ["vendor", "model", "power", "energy"];

/// Reads the profiles of the file at `path`, with warnings.
///
/// # Errors
/// Without a readable file, and for an invalid profile, with all problems.
pub fn load_profiles(path: &Path) -> Result<(Vec<Arc<Profile>>, Problems), ConfigError> {
    let text = load::read(path, load::MAX_BYTES)?;
    parse_profiles(path, &text).map_err(ConfigError::Invalid)
}

/// Parses the profiles of the text, with warnings. `file` is its name in messages; its stem names a profile without a `[profile.NAME]`.
///
/// # Errors
/// For an invalid profile, with all problems.
pub fn parse_profiles(file: &Path, text: &str) -> Result<(Vec<Arc<Profile>>, Problems), Problems> {
    parse_with(file, text, |root, whole| read(root, file, whole))
}

fn read(root: Form<'_>, file: &Path, whole: bool) -> Option<Vec<Arc<Profile>>> {
    let has = |keys: &[&str]| root.keys().any(|(key, _)| keys.contains(&key));
    if !has(&["profile"]) && has(&PROFILE_KEYS) {
        let name = file.file_stem().and_then(|stem| Name::new(stem.to_str()?)).or_else(|| Name::new("profile"))?;
        let findings = root.findings();
        let profile = Profile::from_form(&name, root)?;
        check_aliases(&profile, &(0..0), &mut BTreeMap::from([(name.clone(), name)]), findings);
        return Some(vec![Arc::new(profile)]);
    }
    let profiles = Profiles::read(&root).into_own();
    if whole && root.field("profile").is_none() {
        let help = "a table [profile.NAME] with vendor, model, power and energy";
        root.findings().add(Finding::error(0..0, "there is no profile in this file").help(help));
    }
    if !has(&OTHER_TABLES) {
        root.finish();
    }
    Some(profiles)
}
