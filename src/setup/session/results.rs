//! What the result of an action changes.

use super::{ScanState, ScannedMeter, SetupAction, SetupSession};
use crate::setup::answers::{MeterReading, SetupMeter};
use crate::setup::clients::ClientAnswer;
use crate::survey::{Confidence, Examination, same_link, same_settings};
use crate::units::Name;

impl SetupSession {
    /// Takes the result of [`SetupAction::Scan`]. Returns remarks about units that are left out.
    pub fn scanned(&mut self, meters: Vec<ScannedMeter>) -> Vec<String> {
        let mut remarks = Vec::new();
        for ScannedMeter { found, examined } in meters {
            let link = &found.settings.link;
            let config = self.situation.existing.config();
            let known = config.and_then(|config| config.buses.values().find(|bus| same_link(&bus.link, link)));
            if let Some(bus) = known {
                let on_bus = |meter: &&crate::config::MeterConfig| meter.bus == bus.name && meter.unit == found.unit;
                let configured = config.and_then(|config| config.meters.values().find(on_bus));
                if let Some(meter) = configured {
                    remarks.push(format!("unit {} on {} is {} already", found.unit, bus.name, meter.name));
                    continue;
                }
                if !same_settings(&bus.link, link) {
                    remarks.push(format!(
                        "unit {} is left out: its line is bus {} of the configuration, with another baud rate, parity or kind of link. \
                         Set all meters of a line alike",
                        found.unit, bus.name
                    ));
                    continue;
                }
            }
            let bus = self.bus_for(link);
            let mut meter = SetupMeter::at(self.provisional_name(found.unit), bus, found.unit);
            note_model(&mut meter, &examined);
            self.answers.meters.push(meter);
        }
        if self.answers.meters.is_empty() {
            self.scan = ScanState::Empty;
        } else {
            self.answers.lines.clear();
        }
        remarks
    }

    /// Takes the result of [`SetupAction::Identify`]. A model that is only possible is not taken. Returns remarks.
    pub fn identified(&mut self, meters: Vec<(Name, Examination)>) -> Vec<String> {
        let mut remarks = Vec::new();
        for (name, examined) in meters {
            let Some(meter) = self.meter_mut(&name) else { continue };
            note_model(meter, &examined);
            let model = meter.profile.as_ref().map(|profile| format!("{profile}, ")).unwrap_or_default();
            remarks.push(format!("{name}: {model}{}", meter.certainty));
            let certain = examined.candidates.first().is_some_and(|best| best.confidence > Confidence::Possible);
            if !certain {
                meter.profile = None;
            }
        }
        remarks
    }

    /// Takes the result of [`SetupAction::Read`]. Returns remarks.
    pub fn read(&mut self, readings: Vec<(Name, Result<MeterReading, String>)>) -> Vec<String> {
        let mut remarks = Vec::new();
        for (name, reading) in readings {
            let Some(meter) = self.meter_mut(&name) else { continue };
            if let Ok(MeterReading { power: Some(power), .. }) = &reading
                && meter.reversed == Some(true)
            {
                remarks.push(format!("{name} now reads {}.", power.in_words()));
            }
            meter.reading = Some(reading);
        }
        remarks
    }

    /// Takes note that the action is done.
    pub fn done(&mut self, action: SetupAction) {
        self.done.push(action);
    }

    /// Checks answers from a file as if they were typed: each name and client against the others and the configuration.
    ///
    /// # Errors
    /// What is wrong, by the name of the table.
    pub fn check_answers(&self) -> Result<(), Vec<String>> {
        let existing = self.situation.existing.names();
        let mut wrong = Vec::new();
        for meter in &self.answers.meters {
            if existing.contains(&meter.name) {
                wrong.push(format!("[meter.{0}]: {0} is in the configuration already", meter.name));
            }
            if let Some(answer) = &meter.client
                && let Err(why) = answer.check(&self.known_clients(&meter.name))
            {
                wrong.push(format!("`client` in [meter.{}]: {why}", meter.name));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// The clients that this set-up adds: what the first reports are waited for.
    pub fn new_clients(&self) -> Vec<Name> {
        let clients = self.answers.meters.iter().filter_map(|meter| match &meter.client {
            Some(ClientAnswer::Own(_)) => Some(meter.name.clone()),
            Some(ClientAnswer::Starts(name, _)) => Some(name.clone()),
            _ => None,
        });
        clients.collect()
    }
}

/// The model that fits best, and how certain it is.
fn note_model(meter: &mut SetupMeter, examined: &Examination) {
    let Some(best) = examined.candidates.first() else {
        meter.certainty = match &examined.error {
            Some(error) => format!("unknown: {error}"),
            None => "unknown: no model fits, see `arkmeter inspect`".to_owned(),
        };
        return;
    };
    let profile = &best.profile;
    let chain = profile.chain.as_ref().filter(|_| profile.location.is_some());
    meter.chain_meter = chain.and_then(|chain| chain.meter);
    meter.profile = Some(profile.name.clone());
    meter.certainty = match best.confidence {
        Confidence::Certain => "certain: it identifies itself",
        Confidence::Likely => "likely: power and counter agree; compare with its display",
        Confidence::Possible => "possible: compare with its display, or give its model",
    }
    .to_owned();
    if meter.reading.is_none() {
        let (power, energy, serial) = (best.power, best.energy, best.serial.clone());
        meter.reading = Some(Ok(MeterReading { power, energy, serial }));
    }
}
