//! What an answer changes. A wrong answer changes nothing, and says what to write.

use std::collections::BTreeMap;

use super::{Course, ScanState, SetupSession, SetupStep};
use crate::config::Token;
use crate::meter::library;
use crate::modbus::{Link, SerialSettings};
use crate::setup::answers::{SetupAnswers, SetupMeter};
use crate::setup::clients::{ClientAnswer, KnownClients};
use crate::setup::fuses;
use crate::setup::hex::wrong_form;
use crate::setup::lines::{self, LineChoice};
use crate::setup::names::{self, NameAnswer, model_named};
use crate::setup::opening::{ExistingConfiguration, parse_change};
use crate::setup::question::QuestionKey;
use crate::survey::unused;
use crate::units::{Name, Parity, UnitId};

/// What is printed after an answer, one line each.
type Remarks = Vec<String>;

impl SetupSession {
    /// Takes the answer to the question of [`SetupSession::next`]; an empty text means its default. Returns remarks to print.
    ///
    /// # Errors
    /// What is wrong with the answer. Nothing was changed.
    pub fn answer(&mut self, text: &str) -> Result<Remarks, String> {
        let SetupStep::Ask(question) = self.next() else { return Ok(Remarks::new()) };
        let text = text.trim();
        let text = match (text.is_empty(), &question.default) {
            (false, _) => text,
            (true, Some(default)) => default,
            (true, None) => return Err("there is no default: write an answer, or stop with Ctrl-C".to_owned()),
        };
        let silent = |result: Result<(), String>| result.map(|()| Remarks::new());
        match question.key {
            QuestionKey::Resume => silent(self.resume(text)),
            QuestionKey::Existing => silent(self.existing(text)),
            QuestionKey::StartAgain => silent(self.start_again(text)),
            QuestionKey::Change => silent(self.change(text)),
            QuestionKey::ReplaceToken => silent(yes(text).map(|yes| {
                self.course = if yes { Course::ReplaceToken(true) } else { Course::Over };
            })),
            QuestionKey::Lines => silent(self.lines(text)),
            QuestionKey::NothingFound => silent(self.nothing_found(text)),
            QuestionKey::Unread => silent(self.unread(text)),
            QuestionKey::Names => silent(self.names(text)),
            QuestionKey::Model(name) => silent(model_named(text).map(|model| {
                self.meter_mut(&name).into_iter().for_each(|meter| meter.profile = Some(model.clone()));
            })),
            QuestionKey::Silent(name) => silent(self.silent(&name, text)),
            QuestionKey::Direction(name) => self.direction(&name, text),
            QuestionKey::Fuses => self.fuses(text),
            QuestionKey::Client(name) => self.client(&name, text),
            QuestionKey::Account => silent(self.account(text)),
            QuestionKey::Token => self.take_token(text),
            QuestionKey::Confirm => silent(self.confirm(text)),
            QuestionKey::FirstReport => silent(yes(text).map(|yes| self.answers.first_report = Some(yes))),
        }
    }

    fn resume(&mut self, text: &str) -> Result<(), String> {
        match text.to_ascii_lowercase().as_str() {
            "r" => {
                self.answers = self.situation.saved.take().map(|(answers, _)| answers).unwrap_or_default();
                if self.answers.replace {
                    self.situation.existing = ExistingConfiguration::Absent;
                }
                self.course = Course::Steps;
            }
            "s" => self.situation.saved = None,
            _ => return Err("write r or s".to_owned()),
        }
        self.resume_asked = true;
        Ok(())
    }

    fn existing(&mut self, text: &str) -> Result<(), String> {
        let is_valid = self.situation.existing.config().is_some();
        self.course = match text.to_ascii_lowercase().as_str() {
            "q" => Course::Over,
            "n" => Course::StartAgain,
            "a" if is_valid => Course::Steps,
            "c" if is_valid => Course::Change(None),
            "t" if is_valid => Course::ReplaceToken(false),
            _ if is_valid => return Err("write a, c, t, n or q".to_owned()),
            _ => return Err("write n or q".to_owned()),
        };
        Ok(())
    }

    fn start_again(&mut self, text: &str) -> Result<(), String> {
        self.course = if yes(text)? {
            self.answers = SetupAnswers { replace: true, ..self.situation.kept.clone() };
            self.situation.existing = ExistingConfiguration::Absent;
            Course::Steps
        } else {
            Course::Over
        };
        Ok(())
    }

    fn change(&mut self, text: &str) -> Result<(), String> {
        let config = self.situation.existing.config().ok_or("there is no configuration")?;
        self.course = Course::Change(Some(parse_change(text, config)?));
        Ok(())
    }

    fn lines(&mut self, text: &str) -> Result<(), String> {
        if text.eq_ignore_ascii_case("demo") {
            self.course = Course::Demo;
            return Ok(());
        }
        self.answers.lines = lines::parse_all(text, &self.situation.lines)?;
        self.scan = ScanState::NotYet;
        Ok(())
    }

    fn nothing_found(&mut self, text: &str) -> Result<(), String> {
        match text.to_ascii_lowercase().as_str() {
            "s" => self.scan = ScanState::NotYet,
            "l" => self.answers.lines.clear(),
            "u" => self.scan = ScanState::Unread,
            "d" => self.course = Course::Demo,
            _ => return Err("write s, l, u or d: after l, the line is asked for".to_owned()),
        }
        Ok(())
    }

    /// Meters on the first line that nobody could read yet, `1=eastron-sdm630`.
    fn unread(&mut self, text: &str) -> Result<(), String> {
        const HELP: &str = "write UNIT=MODEL for each meter, such as 1=eastron-sdm630";
        let mut meters = Vec::new();
        for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
            let (unit, model) = word.split_once('=').ok_or(HELP)?;
            let unit = unit.parse().ok().and_then(UnitId::new).ok_or("a unit is a number from 1 to 247")?;
            meters.push((unit, model_named(model)?));
        }
        let (_, model) = meters.first().ok_or(HELP)?;
        let link = match &self.answers.lines[..] {
            [LineChoice::Serial(path), ..] => {
                let defaults = library().find(model.as_str()).map(|entry| entry.profile.serial_defaults);
                let defaults = defaults.unwrap_or_default();
                Link::Serial(SerialSettings {
                    path: path.clone(),
                    baud: defaults.baud.unwrap_or(9600),
                    parity: defaults.parity.unwrap_or(Parity::None),
                    stop_bits: defaults.stop_bits.unwrap_or(1),
                })
            }
            [line @ LineChoice::Tcp(_), ..] => Link::Tcp(line.addresses().swap_remove(0)),
            [line @ LineChoice::Converter(_), ..] => Link::RtuOverTcp(line.addresses().swap_remove(0)),
            [] => return Err("there is no line".to_owned()),
        };
        let bus = self.bus_for(&link);
        for (unit, model) in meters {
            let name = self.provisional_name(unit);
            let certainty = "as you wrote it: it is not read".to_owned();
            let meter =
                SetupMeter { profile: Some(model), unread: true, certainty, ..SetupMeter::at(name, bus.clone(), unit) };
            self.answers.meters.push(meter);
        }
        self.answers.lines.clear();
        Ok(())
    }

    fn names(&mut self, text: &str) -> Result<(), String> {
        let names = names::parse_all(text, &self.answers.meters, &self.situation.existing.names())?;
        let meters = std::mem::take(&mut self.answers.meters);
        for (mut meter, name) in meters.into_iter().zip(names) {
            let NameAnswer::Keep(name, model) = name else { continue };
            (meter.name, meter.named) = (name, true);
            if model.is_some() && model != meter.profile {
                // Another model has other registers.
                (meter.profile, meter.reading) = (model, None);
            }
            self.answers.meters.push(meter);
        }
        let used = |bus: &Name| self.answers.meters.iter().any(|meter| meter.bus == *bus);
        self.answers.buses = std::mem::take(&mut self.answers.buses).into_iter().filter(|(bus, _)| used(bus)).collect();
        Ok(())
    }

    fn silent(&mut self, name: &Name, text: &str) -> Result<(), String> {
        match text.to_ascii_lowercase().as_str() {
            "x" if self.answers.meters.len() == 1 => {
                return Err("it is the only meter: read it again, or write it unread".to_owned());
            }
            "x" => self.answers.meters.retain(|meter| meter.name != *name),
            letter @ ("r" | "u") => {
                let Some(meter) = self.meter_mut(name) else { return Ok(()) };
                if letter == "u" { meter.unread = true } else { meter.reading = None }
            }
            _ => return Err("write r, u or x".to_owned()),
        }
        Ok(())
    }

    fn direction(&mut self, name: &Name, text: &str) -> Result<Remarks, String> {
        let reverse = yes(text)?;
        let Some(meter) = self.meter_mut(name) else { return Ok(Remarks::new()) };
        meter.reversed = Some(reverse);
        if reverse {
            // It is read again, to show that the direction is right now.
            meter.reading = None;
            return Ok(Remarks::new());
        }
        Ok(vec![format!("{name} stays as it is wired. Exported power is reported as 0.")])
    }

    fn fuses(&mut self, text: &str) -> Result<Remarks, String> {
        let open: Vec<_> = self.answers.meters.iter_mut().filter(|meter| meter.fuses.is_none()).collect();
        let fuses = fuses::parse_all(text, open.len())?;
        let mut remarks = Remarks::new();
        for (meter, fuses) in open.into_iter().zip(fuses) {
            meter.fuses = Some(fuses);
            remarks.push(format!("{:<12} {}", meter.name, fuses.in_words()));
        }
        Ok(remarks)
    }

    fn client(&mut self, name: &Name, text: &str) -> Result<Remarks, String> {
        let answer = ClientAnswer::parse(text)?;
        answer.check(&self.known_clients(name))?;
        let remark = format!("{name}: {answer}");
        self.meter_mut(name).into_iter().for_each(|meter| meter.client = Some(answer.clone()));
        Ok(vec![remark])
    }

    /// The clients of the configuration and of all meters except this one.
    pub(super) fn known_clients(&self, name: &Name) -> KnownClients<'_> {
        let mut known = KnownClients::default();
        for client in self.situation.existing.config().into_iter().flat_map(|config| config.clients.values()) {
            known.ids.push((client.client_id, &client.name));
            known.taken.push(&client.name);
            known.configured.push(&client.name);
        }
        for meter in &self.answers.meters {
            known.taken.push(&meter.name);
            let Some(answer) = meter.client.as_ref().filter(|_| meter.name != *name) else { continue };
            let client = match answer {
                ClientAnswer::Starts(client, _) => {
                    known.shared.push(client);
                    client
                }
                _ => &meter.name,
            };
            known.ids.extend(answer.id().map(|id| (id, client)));
        }
        known
    }

    fn account(&mut self, text: &str) -> Result<(), String> {
        let accounts = self.situation.existing.config().map(|config| &config.accounts);
        let known = accounts.and_then(|accounts| accounts.get_key_value(text));
        let (name, _) = known.ok_or("write one of the names in brackets")?;
        self.answers.account.name = Some(name.clone());
        Ok(())
    }

    fn take_token(&mut self, text: &str) -> Result<Remarks, String> {
        let token = Token::parse(text).ok_or_else(|| wrong_form("a token", text))?;
        let id = crate::units::ClientId::parse(text);
        let is_client = |meter: &&SetupMeter| id.is_some() && meter.client.as_ref().and_then(ClientAnswer::id) == id;
        if let Some(meter) = self.answers.meters.iter().find(is_client) {
            return Err(format!("this is the client identifier of {}, not the token", meter.name));
        }
        self.token = Some(token);
        Ok(vec!["format ok".to_owned()])
    }

    fn confirm(&mut self, text: &str) -> Result<(), String> {
        if yes(text).map_err(|_| "write y, n or show".to_owned())? {
            self.confirmed = true;
        } else {
            self.course = Course::Over;
        }
        Ok(())
    }

    /// The bus of this link: a known one, or a new one.
    pub(super) fn bus_for(&mut self, link: &Link) -> Name {
        let known: BTreeMap<&Name, &Link> = {
            let existing = self.situation.existing.config().into_iter().flat_map(|config| config.buses.values());
            existing.map(|bus| (&bus.name, &bus.link)).chain(&self.answers.buses).collect()
        };
        if let Some((name, _)) = known.iter().find(|(_, known)| crate::survey::same_link(known, link)) {
            return (*name).clone();
        }
        let kind = match link {
            Link::Serial(_) => "cabinet",
            Link::Tcp(_) => "gateway",
            Link::RtuOverTcp(_) => "converter",
        };
        let name = unused(kind, |name| known.contains_key(name));
        self.answers.buses.insert(name.clone(), link.clone());
        name
    }

    /// The name of a meter that nobody named yet.
    pub(super) fn provisional_name(&self, unit: UnitId) -> Name {
        let existing = self.situation.existing.names();
        let taken = |name: &Name| existing.contains(name) || self.answers.meters.iter().any(|it| it.name == *name);
        unused(&format!("meter_{unit}"), taken)
    }
}

/// Yes or no.
fn yes(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(true),
        "n" | "no" => Ok(false),
        _ => Err("write y or n".to_owned()),
    }
}
