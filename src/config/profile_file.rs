//! A file of the installer's own profiles, read by itself: `[profile.NAME]` tables, with or without the rest of a configuration, or the
//! keys of one profile alone.

use std::path::Path;
use std::sync::Arc;

use super::load::{self, ConfigError};
use super::parse::judged;
use super::problems::Problems;
use super::profiles::Profiles;
use crate::finding::Finding;
use crate::form::Form;
use crate::meter::Profile;
use crate::units::Name;

/// Tables of a configuration that profiles may stand among; they are not looked at.
const OTHERS: [&str; 6] = ["account", "bus", "client", "meter", "state", "status"];
/// The keys of which a profile without a `[profile.NAME]` has at least one.
const BARE: [&str; 4] = ["vendor", "model", "power", "energy"];

/// The profiles of the file at `path` with warnings, or every problem of them.
pub fn load_profiles(path: &Path) -> Result<(Vec<Arc<Profile>>, Problems), ConfigError> {
    let text = load::read(path)?;
    parse_profiles(path, &text).map_err(ConfigError::Invalid)
}

/// The profiles of the text; `file` is its name in messages, and without its ending that of a profile that does not say its own.
pub fn parse_profiles(file: &Path, text: &str) -> Result<(Vec<Arc<Profile>>, Problems), Problems> {
    judged(file, text, |root, whole| read(root, file, whole))
}

fn read(root: Form<'_>, file: &Path, whole: bool) -> Option<Vec<Arc<Profile>>> {
    let has = |keys: &[&str]| root.keys().any(|(key, _)| keys.contains(&key));
    if !has(&["profile"]) && has(&BARE) {
        let name = file.file_stem().and_then(|stem| Name::new(stem.to_str()?)).or_else(|| Name::new("profile"))?;
        return Profile::from_form(&name, root).map(|profile| vec![Arc::new(profile)]);
    }
    let profiles = Profiles::read(&root).into_own();
    if whole && root.field("profile").is_none() {
        let help = "a table [profile.NAME] with vendor, model, power and energy";
        root.findings().add(Finding::error(0..0, "there is no profile in this file").help(help));
    }
    if !has(&OTHERS) {
        root.finish();
    }
    Some(profiles)
}
