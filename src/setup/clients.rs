//! The answer about a meter's client: an identifier of its own, a client of several meters, or none.

use std::fmt;

use super::hex::wrong_form;
use super::names::NAME_FORM;
use crate::units::{ClientId, Name};

/// Under which client a meter is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAnswer {
    /// It is not reported: `-`.
    NotReported,
    /// Its own: `0x...`.
    Own(ClientId),
    /// The first of several: `NAME=0x...`.
    Starts(Name, ClientId),
    /// One more of several: `NAME`.
    Joins(Name),
}

/// What is known of the other meters and clients.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownClients<'a> {
    /// The identifiers, each with the client that has it.
    pub(super) ids: Vec<(ClientId, &'a Name)>,
    /// The clients of several meters in this set-up.
    pub(super) shared: Vec<&'a Name>,
    /// The names of meters and clients that are in use.
    pub(super) taken: Vec<&'a Name>,
    /// Those of them that are clients of the present configuration.
    pub(super) configured: Vec<&'a Name>,
}

impl ClientAnswer {
    /// Reads `0x...`, `NAME=0x...`, `NAME` or `-`.
    ///
    /// # Errors
    /// What to write instead. The text is not repeated: it may be a secret.
    pub fn parse(text: &str) -> Result<Self, String> {
        const ID: &str = "an identifier";
        let name = |text: &str| Name::new(text).ok_or_else(|| format!("a name has {NAME_FORM}"));
        let id = |text: &str| ClientId::parse(text).ok_or_else(|| wrong_form(ID, text));
        match text.split_once('=') {
            None if text == "-" => Ok(ClientAnswer::NotReported),
            None if text.starts_with("0x") || text.len() >= 40 => id(text).map(ClientAnswer::Own),
            None => {
                let joins = name(text).map(ClientAnswer::Joins);
                joins.map_err(|_| format!("{}; `-` means not reported", wrong_form(ID, text)))
            }
            Some((client, text)) => Ok(ClientAnswer::Starts(name(client.trim())?, id(text.trim())?)),
        }
    }

    /// Whether the answer fits the others.
    pub(super) fn check(&self, known: &KnownClients<'_>) -> Result<(), String> {
        let unused = |id: &ClientId| match known.ids.iter().find(|(other, _)| other == id) {
            Some((_, name)) => Err(format!(
                "{id} is the client of {name} already. To report several meters as one client, start it with NAME=0x... and join it with \
                 NAME"
            )),
            None => Ok(()),
        };
        match self {
            ClientAnswer::NotReported => Ok(()),
            ClientAnswer::Own(id) => unused(id),
            ClientAnswer::Starts(name, id) => {
                if known.taken.contains(&name) || known.shared.contains(&name) {
                    return Err(format!("{name} is the name of a meter or client already: choose another"));
                }
                unused(id)
            }
            ClientAnswer::Joins(name) if known.shared.contains(&name) => Ok(()),
            ClientAnswer::Joins(name) if known.configured.contains(&name) => Err(format!(
                "{name} is in the configuration already: answer `-` now, and add this meter to the `meters` of [client.{name}] later"
            )),
            ClientAnswer::Joins(name) => {
                let shared: Vec<_> = known.shared.iter().map(|name| name.as_str()).collect();
                let shared = if shared.is_empty() { "none".to_owned() } else { shared.join(", ") };
                Err(format!(
                    "{name} is no identifier, which is 0x and 64 hex digits, and no client that was started with NAME=0x... ({shared}); `-` \
                     means not reported"
                ))
            }
        }
    }

    /// The identifier in it.
    pub(super) fn id(&self) -> Option<ClientId> {
        match self {
            ClientAnswer::Own(id) | ClientAnswer::Starts(_, id) => Some(*id),
            ClientAnswer::NotReported | ClientAnswer::Joins(_) => None,
        }
    }

    /// The answer as it is typed and saved, with the whole identifier.
    pub(super) fn as_typed(&self) -> String {
        match self {
            ClientAnswer::NotReported => "-".to_owned(),
            ClientAnswer::Own(id) => id.to_hex(),
            ClientAnswer::Starts(name, id) => format!("{name}={}", id.to_hex()),
            ClientAnswer::Joins(name) => name.to_string(),
        }
    }
}

/// For people: the identifier is shortened.
impl fmt::Display for ClientAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientAnswer::NotReported => f.write_str("not reported"),
            ClientAnswer::Own(id) => write!(f, "{id}  format ok"),
            ClientAnswer::Starts(name, id) => write!(f, "{name}={id}  format ok"),
            ClientAnswer::Joins(name) => write!(f, "{name}"),
        }
    }
}
