//! The texts for the trouble of an account or a client: what it is, and the remedy.

use url::Url;

use crate::reporter::rpc::{CallFailure, ClientReport};
use crate::reporter::trouble::TroubleLevel;
use crate::units::{ClientId, MilliwattHours, Name};

/// Where an account reports to, as its configuration names it.
#[derive(Clone, Debug)]
pub(crate) struct EndpointTexts {
    account: Name,
    url: String,
    host: String,
    /// The place of the token, as text.
    token: String,
}

impl EndpointTexts {
    /// `token`: the place of the token, as text.
    pub(crate) fn new(account: Name, url: &Url, token: String) -> Self {
        let host = url.host_str().unwrap_or("the endpoint").to_owned();
        // Only these parts: user, password and query of a URL must not be logged.
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        EndpointTexts { account, url: format!("{}://{host}{port}{}", url.scheme(), url.path()), host, token }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The level and the text of a failed call.
    pub(crate) fn failure(&self, failure: &CallFailure) -> (TroubleLevel, String) {
        let EndpointTexts { account, url, host, token } = self;
        let check_url = format!("check url in [account.{account}] (now {url}) and the network between this box and it");
        match failure {
            CallFailure::Unreachable(why) => (TroubleLevel::Retrying, format!("cannot reach {host}: {why}")),
            CallFailure::TimedOut => (TroubleLevel::Retrying, format!("{host} did not answer in time")),
            CallFailure::Wait(_, status) => {
                (TroubleLevel::Retrying, format!("{host} asks for fewer calls ({status}): waiting"))
            }
            CallFailure::Transient(status) => (TroubleLevel::Retrying, format!("{host} failed ({status})")),
            CallFailure::Unintelligible(what) => (TroubleLevel::Retrying, format!("{host} sent {what}")),
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
                (TroubleLevel::Refused, format!("{host} denies access ({status}): {check_url}"))
            }
            CallFailure::WrongMethod(message) => (
                TroubleLevel::Alert,
                format!(
                    "{url} does not offer Arkreen's report call ({}): {check_url}",
                    code_text(Some(-32601), message)
                ),
            ),
            CallFailure::Rejected(status) | CallFailure::TooLarge(status) => {
                (TroubleLevel::Alert, format!("{host} does not accept reports at this URL ({status}): {check_url}"))
            }
            CallFailure::Redirected(status) => (
                TroubleLevel::Alert,
                format!(
                    "{host} redirects reports ({status}); redirects are not followed, because the token would go with them: {check_url}"
                ),
            ),
        }
    }

    /// The text for a report that was refused; `in_a_row` counts refusals with 4003.
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
        let error = code_text(code, message);
        match code {
            Some(4002) => format!(
                "Arkreen does not know client {id} ({error}): token, client_id and environment ({url}) do not belong together; \
                 check client_id of {name} and the token of account {account}"
            ),
            Some(4003) if in_a_row < super::ALERT_AFTER => format!(
                "Arkreen holds a higher energy for {id} than {} kWh ({error}): sending a fresh reading at the next slot",
                energy.kilowatt_hours()
            ),
            Some(4003) => format!(
                "Arkreen has refused the energy of {id} {in_a_row} times in a row, now {} kWh ({error}): it holds more. \
                 Likely a replaced meter, a lost state folder, a second reporter with the same client_id, or a wrong unit or word order. \
                 Compare the meter's display with `arkmeter read` and `arkmeter ledger journal`; \
                 then set the figure with `arkmeter ledger set {name} ENERGY`, or ask Arkreen for a new client_id",
                energy.kilowatt_hours()
            ),
            Some(-32700 | -32600 | -32602) => format!(
                "Arkreen calls the report of {name} malformed ({error}): this figure is not sent again. \
                 Check url in [account.{account}]; if it is right, this is a defect of arkmeter: please report it with the output of `arkmeter report --dry-run`"
            ),
            _ => format!("Arkreen refused the report of {name} ({error}): trying again with a fresh reading"),
        }
    }

    /// The text for a report of which it is not known whether it was accepted.
    pub(crate) fn unclear(&self, why: &str) -> String {
        format!(
            "{} sent {why}: it is not known whether the report was accepted; the next slot sends a fresh one",
            self.host
        )
    }

    pub(crate) fn odd_result(&self, odd: &str) -> String {
        format!("{} accepts reports with {odd} instead of \"OK\"; taken as accepted", self.host)
    }
}

/// The text for an accepted report.
pub(crate) fn accepted(report: &ClientReport) -> String {
    format!("accepted {} W and {} kWh", report.power.consumed().watts(), report.energy.kilowatt_hours())
}

pub(crate) fn not_sent() -> String {
    "not sent".into()
}

fn code_text(code: Option<i64>, message: &str) -> String {
    let code = code.map_or("an error without a code".into(), |code| format!("code {code}"));
    if message.is_empty() { code } else { format!("{code}, \"{message}\"") }
}
