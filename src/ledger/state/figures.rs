//! What may be reported of a client: the energy on disk with fresh power, or the reason why nothing.

use std::time::Duration;

use super::{LedgerState, MeterRecord};
use crate::clock::ClockReading;
use crate::guard::{CounterSettings, MeterSettings};
use crate::ledger::settings::ClientSettings;
use crate::ledger::wording;
use crate::ledger::{Figure, WaitingReason};
use crate::reading::stale_after;
use crate::units::{Milliwatts, Name};

impl LedgerState {
    /// These clients' figures as they are on disk.
    pub(crate) fn figures(&self, clients: Vec<Name>, now: &ClockReading) -> Vec<(Name, Figure)> {
        let figure = |name: Name| {
            let figure = self.figure(&name, now).unwrap_or_else(Figure::Waiting);
            (name, figure)
        };
        clients.into_iter().map(figure).collect()
    }

    /// Why nothing at all is reported, as a message.
    pub(crate) fn block_reason(&self) -> Option<String> {
        self.block.map(|block| block.to_string())
    }

    fn figure(&self, name: &Name, now: &ClockReading) -> Result<Figure, WaitingReason> {
        if let Some(why) = &self.block {
            return Err(why.to_string().into());
        }
        let client = self.configured.get(name).ok_or_else(|| format!("{name} is not configured"))?;
        let energy = self.clients.get(&client.key).and_then(|balance| balance.on_disk);
        if energy.is_none() {
            self.all_begun(client)?;
        }
        let mut power = Milliwatts(0);
        let mut read_at = *now;
        for name in &client.meters {
            let (member, at) = self.record(name)?.fresh(name, now)?;
            // A member that exports does not lower the consumption of the others; their counters do not fall either.
            power = Milliwatts(power.0.saturating_add(member.consumed().0));
            if now.since(&at) > now.since(&read_at) {
                read_at = at;
            }
        }
        let energy = energy.ok_or("its first figure is not on disk yet")?;
        Ok(Figure::Ready { power, energy, read_at })
    }

    /// Fails with the members that have no baseline.
    fn all_begun(&self, client: &ClientSettings) -> Result<(), WaitingReason> {
        let lacking = |name: &&Name| self.meters.get(*name).is_none_or(|record| record.state.published().is_none());
        let names: Vec<_> = client.meters.iter().filter(lacking).cloned().collect();
        if let [one] = &names[..]
            && let Some(why) = self.meters.get(one).and_then(|record| record.held(one))
        {
            return Err(format!("{}: {why}", wording::no_baseline(&names)).into());
        }
        if names.is_empty() { Ok(()) } else { Err(WaitingReason::NoBaseline(names)) }
    }

    fn record(&self, name: &Name) -> Result<&MeterRecord, String> {
        let record = self.meters.get(name).map(|record| &**record);
        record.ok_or_else(|| format!("{name} is not configured"))
    }
}

impl MeterRecord {
    /// The member's power and when it was read, or why there is no fresh one.
    fn fresh(&self, name: &Name, now: &ClockReading) -> Result<(Milliwatts, ClockReading), String> {
        let settings = self.settings.as_ref().ok_or_else(|| format!("{name} is not configured"))?;
        let within = stale_after(settings.poll_every);
        let Some(read_at) = &self.read_at else { return Err(format!("{name} has not been read yet")) };
        let age = now.since(read_at).unwrap_or(Duration::MAX);
        if age > within {
            let age = humantime::format_duration(Duration::from_secs(age.as_secs()));
            return Err(format!("{name} was last read {age} ago"));
        }
        if !self.confirmed_on_disk {
            return Err(unconfirmed(name, settings));
        }
        let power = self.power.filter(|(_, at)| now.since(at).is_some_and(|age| age <= within));
        power.ok_or_else(|| match &self.power_fault {
            Some(fault) => format!("{name} is read, but {}", wording::power_fault(fault)),
            None => format!("{name} is read, but gives no power"),
        })
    }
}

fn unconfirmed(name: &Name, settings: &MeterSettings) -> String {
    match settings.counter {
        CounterSettings::Register => {
            format!("the ledger fell back to an older copy, and {name}'s register has not been taken since then")
        }
        CounterSettings::FromPower => {
            format!(
                "the ledger fell back to an older copy, and {name} has no counter that shows what is missing: \
                 `arkmeter ledger accept {name}` continues from the copy's figure"
            )
        }
    }
}
