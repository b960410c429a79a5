//! What is said of an account's and a client's trouble: what it is, and the remedy.

use url::Url;

use crate::reporter::rpc::{CallFailure, ClientReport};
use crate::reporter::trouble::TroubleLevel;
use crate::units::{ClientId, MilliwattHours, Name};

/// Where an account reports to, in the words of its configuration.
#[derive(Clone, Debug)]
pub(crate) struct EndpointTexts {
    account: Name,
    url: String,
    host: String,
    /// Where the token is kept.
    token: String,
}

impl EndpointTexts {
    /// `token` says where the token is kept.
    pub(crate) fn new(account: Name, url: &Url, token: String) -> Self {
        let host = url.host_str().unwrap_or("the endpoint").to_owned();
        // Whatever else a URL may carry is not for the log.
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        EndpointTexts { account, url: format!("{}://{host}{port}{}", url.scheme(), url.path()), host, token }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// How bad a failed call is, and what to say of it.
    pub(crate) fn failure(&self, failure: &CallFailure) -> (TroubleLevel, String) {
        let EndpointTexts { account, url, host, token } = self;
        let check_url = format!("check url in [account.{account}] (now {url}) and what stands between this box and it");
        match failure {
            CallFailure::Unreachable(why) => (TroubleLevel::Retrying, format!("cannot reach {host}: {why}")),
            CallFailure::TimedOut => (TroubleLevel::Retrying, format!("{host} did not answer in time")),
            CallFailure::Wait(_, status) => {
                (TroubleLevel::Retrying, format!("{host} asks for fewer calls ({status}): waiting"))
            }
            CallFailure::Transient(status) => {
                (TroubleLevel::Retrying, format!("{host} has trouble of its own ({status})"))
            }
            CallFailure::Unintelligible(what) => (TroubleLevel::Retrying, format!("{host} gave {what}")),
            CallFailure::Batch { code, message } => {
                (TroubleLevel::Retrying, format!("{host} refused a batch ({})", code_text(*code, message)))
            }
            CallFailure::Token(message) => (
                TroubleLevel::Refused,
                format!(
                    "Arkreen does not accept the token of account {account} ({}): put the token that was issued for {url} in {token}",
                    code_text(Some(1000), message)
                ),
            ),
            CallFailure::Forbidden(status) => {
                (TroubleLevel::Refused, format!("{host} lets this box not in ({status}): {check_url}"))
            }
            CallFailure::WrongMethod(message) => (
                TroubleLevel::Alert,
                format!("{url} is not Arkreen's report call ({}): {check_url}", code_text(Some(-32601), message)),
            ),
            CallFailure::Rejected(status) | CallFailure::TooLarge(status) => {
                (TroubleLevel::Alert, format!("{host} does not take reports at this URL ({status}): {check_url}"))
            }
            CallFailure::Redirected(status) => (
                TroubleLevel::Alert,
                format!(
                    "{host} sends reports elsewhere ({status}), which is not followed, as the token would go with them: {check_url}"
                ),
            ),
        }
    }

    /// What to say of an entry that was refused; `in_a_row` counts refusals with 4003.
    pub(crate) fn refusal(
        &self,
        name: &Name,
        id: ClientId,
        code: Option<i64>,
        message: &str,
        energy: MilliwattHours,
        in_a_row: u32,
    ) -> String {
        let EndpointTexts { account, url, .. } = self;
        let said = code_text(code, message);
        match code {
            Some(4002) => format!(
                "Arkreen does not know client {id} ({said}): token, client_id and environment ({url}) do not belong together; \
                 check client_id of {name} and the token of account {account}"
            ),
            Some(4003) if in_a_row < super::ALERT_AFTER => format!(
                "Arkreen holds a higher energy for {id} than {} kWh ({said}): sending a fresh reading at the next slot",
                energy.kilowatt_hours()
            ),
            Some(4003) => format!(
                "Arkreen has refused the energy of {id} {in_a_row} times in a row, now {} kWh ({said}): it holds more. \
                 Likely a replaced meter, a lost state folder, a second reporter with the same client_id, or a wrong unit or word order. \
                 Compare the meter's display with `arkmeter read` and `arkmeter ledger journal`; \
                 then set the figure with `arkmeter ledger set {name} ENERGY`, or ask Arkreen for a new client_id",
                energy.kilowatt_hours()
            ),
            Some(-32700 | -32600 | -32602) => format!(
                "Arkreen calls the report of {name} malformed ({said}): this figure is not sent again. \
                 Check url in [account.{account}]; if it is right, this is a fault of arkmeter: please report it with what `arkmeter report --dry-run` prints"
            ),
            _ => format!("Arkreen refused the report of {name} ({said}): trying again with a fresh reading"),
        }
    }

    /// What to say of an entry whose fate is not known.
    pub(crate) fn unclear(&self, why: &str) -> String {
        format!("{} gave {why}: whether it took the figure is not known, the next slot sends a fresh one", self.host)
    }

    pub(crate) fn odd_result(&self, odd: &str) -> String {
        format!("{} accepts reports with {odd} instead of \"OK\"; taken as accepted", self.host)
    }
}

/// What to say of an accepted entry.
pub(crate) fn accepted(entry: &ClientReport) -> String {
    format!("accepted {} W and {} kWh", entry.power.consumed().watts(), entry.energy.kilowatt_hours())
}

pub(crate) fn not_sent() -> String {
    "not sent".into()
}

fn code_text(code: Option<i64>, message: &str) -> String {
    let code = code.map_or("an error without a code".into(), |code| format!("code {code}"));
    if message.is_empty() { code } else { format!("{code}, \"{message}\"") }
}
