//! What `scan --write` asks a person: the fuses of a connection, and the client of each meter.

use std::io::{self, IsTerminal};

use inquire::Text;

use super::ScanReport;
use super::report::Proposals;
use crate::cli::output::print_error;
use crate::cli::setup::style;
use crate::config::Config;
use crate::setup::Fuses;
use crate::survey::Confidence;
use crate::units::{ClientId, Milliwatts};

/// Somebody stopped it with Ctrl-C.
pub(super) struct Interrupted;

/// Whether there is a person to ask.
pub(super) fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for what is missing of the meters that can be written. Enter alone leaves it missing.
pub(super) fn fill_in(
    report: &ScanReport,
    proposals: &mut Proposals,
    config: Option<&Config>,
) -> Result<(), Interrupted> {
    let mut used: Vec<ClientId> =
        config.into_iter().flat_map(|it| it.clients.values()).map(|it| it.client_id).collect();
    for ((_, examined), proposal) in report.found.iter().zip(proposals) {
        let certain = examined.candidates.first().is_some_and(|best| best.confidence > Confidence::Possible);
        let Ok(proposal) = proposal else { continue };
        if certain && proposal.lacks_max_power() {
            let prompt = format!("Fuses of {}, such as 3x25 or 1x16, or a power such as 17kW:", proposal.meter);
            if let Some(power) = asked(&prompt, power)? {
                proposal.set_max_power(power);
            }
        }
        if certain && proposal.lacks.is_none() {
            let prompt = format!("Client of {}, 0x and 64 hex digits (Enter: it is not reported):", proposal.meter);
            if let Some(id) = asked(&prompt, |text| client(text, &used))? {
                used.push(id);
                proposal.set_client(id);
            }
        }
    }
    Ok(())
}

fn power(text: &str) -> Result<Milliwatts, String> {
    Fuses::parse(text).map(Fuses::power)
}

fn client(text: &str, used: &[ClientId]) -> Result<ClientId, String> {
    match ClientId::parse(text) {
        None => Err("an identifier is 0x and 64 hex digits, as Arkreen issued it".to_owned()),
        Some(id) if used.contains(&id) => Err(format!("{id} is the client of another meter already")),
        Some(id) => Ok(id),
    }
}

/// Asks until the answer is understood; `None` for Enter alone.
fn asked<T>(prompt: &str, understand: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, Interrupted> {
    loop {
        let text = Text::new(prompt).with_render_config(style()).with_formatter(&crate::text::mask_hex).prompt();
        match text.map_err(|_| Interrupted)?.trim() {
            "" => return Ok(None),
            text => match understand(text) {
                Ok(value) => return Ok(Some(value)),
                Err(why) => print_error(&format!("  {why}")),
            },
        }
    }
}
