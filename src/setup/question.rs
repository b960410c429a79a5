//! The questions with their texts.

use super::answers::SetupMeter;
use super::lines::LineUser;
use super::opening::ExistingConfiguration;
use super::session::{SetupSession, SetupSituation};
use crate::meter::library;
use crate::text::foreign;
use crate::units::Name;

/// Which question it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuestionKey {
    /// Continue with the saved answers?
    Resume,
    /// What to do with the existing configuration.
    Existing,
    /// Keep the existing configuration under another name and begin a new one?
    StartAgain,
    /// The change of a meter.
    Change,
    /// Replace the token of the account?
    ReplaceToken,
    /// The lines to scan.
    Lines,
    /// What to do if no meter was found.
    NothingFound,
    /// The units and models of meters that are written unread.
    Unread,
    /// The names of the meters.
    Names,
    /// The model of a meter.
    Model(Name),
    /// What to do with a meter that does not answer.
    Silent(Name),
    /// Whether a meter is wired the other way.
    Direction(Name),
    /// The fuses of the meters.
    Fuses,
    /// The client of a meter.
    Client(Name),
    /// The account of the meters, if there are several.
    Account,
    /// The token.
    Token,
    /// Whether everything is written.
    Confirm,
    /// Whether one report is sent.
    FirstReport,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Which one.
    pub key: QuestionKey,
    /// Sentences before it.
    pub intro: Vec<String>,
    /// The question itself, with the default or the possible letters in brackets.
    pub prompt: String,
    /// What Enter alone means.
    pub default: Option<String>,
    /// How an answers file answers it. Empty if it cannot.
    pub in_file: String,
}

/// The steps, by their number from 1.
pub(super) const STEPS: [&str; 6] = ["Lines", "Meters", "Connections", "Clients", "Token", "Write and start"];

impl QuestionKey {
    /// Whether the answer must not be shown.
    pub fn is_secret(&self) -> bool {
        *self == QuestionKey::Token
    }

    /// The step that it belongs to, from 1, with its title. `None` before the first one.
    pub fn step(&self) -> Option<(usize, &'static str)> {
        let number = match self {
            QuestionKey::Lines | QuestionKey::NothingFound | QuestionKey::Unread => 1,
            QuestionKey::Names | QuestionKey::Model(_) | QuestionKey::Silent(_) | QuestionKey::Direction(_) => 2,
            QuestionKey::Fuses => 3,
            QuestionKey::Client(_) | QuestionKey::Account => 4,
            QuestionKey::Token => 5,
            QuestionKey::Confirm | QuestionKey::FirstReport => 6,
            _ => return None,
        };
        Some((number, STEPS[number - 1]))
    }
}

fn question(key: QuestionKey, prompt: impl Into<String>) -> Question {
    Question { key, intro: Vec::new(), prompt: prompt.into(), default: None, in_file: String::new() }
}

impl Question {
    fn intro(mut self, lines: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.intro.extend(lines.into_iter().map(Into::into));
        self
    }

    fn default(mut self, default: impl Into<String>) -> Self {
        self.default = Some(default.into());
        self
    }

    fn in_file(mut self, key: impl Into<String>) -> Self {
        self.in_file = key.into();
        self
    }

    /// The question of this key.
    pub(super) fn of(key: QuestionKey, session: &SetupSession) -> Question {
        let (answers, situation) = (session.answers(), session.situation());
        match key {
            QuestionKey::Resume => {
                question(key, "Resume, or start over? [R/s]:").default("r").intro([session.saved_text()])
            }
            QuestionKey::Existing => existing(key, &situation.existing),
            QuestionKey::StartAgain => question(key, "Begin a new configuration? [y/N]:").default("n").intro([
                "The present one is kept under another name. Meters keep their energy figures",
                "if they keep their names.",
            ]),
            QuestionKey::Change => {
                let names = situation.existing.config().map(|config| config.meters.keys().map(Name::as_str).collect());
                let names: Vec<_> = names.unwrap_or_default();
                question(key, "Change:").intro([
                    format!("Meters: {}", names.join(", ")),
                    "Write METER fuses 3x25, METER reversed yes, or METER client 0x...".to_owned(),
                ])
            }
            QuestionKey::ReplaceToken => {
                let name = session.account_name();
                question(key, format!("Replace the token of account {name}? [y/N]:"))
                    .default("n")
                    .intro(["The present token is kept in a file beside it, until you delete that file."])
            }
            QuestionKey::Lines => lines(key, situation),
            QuestionKey::NothingFound => {
                question(key, "Scan again, another line, write it unread, or simulated meters [S/l/u/d]:").default("s")
            }
            QuestionKey::Unread => question(key, "Units and models, such as 1=eastron-sdm630 2=eastron-sdm120:")
                .intro(["`arkmeter profiles list` lists the models."]),
            QuestionKey::Names => names(key, &answers.meters),
            QuestionKey::Model(name) => {
                let file = format!("`profile` in [meter.{name}]");
                question(QuestionKey::Model(name.clone()), format!("Model of {name}:")).in_file(file)
            }
            QuestionKey::Silent(name) => silent(name, session),
            QuestionKey::Direction(name) => direction(name, session),
            QuestionKey::Fuses => {
                question(key, "Fuses, such as 3x25 or 1x16:").in_file("`fuses` in each [meter.NAME]").intro([
                    "The fuses of each, as phases x amperes. A counter that rises faster than",
                    "that is not believed. Enter one for all, or one for each.",
                ])
            }
            QuestionKey::Client(name) => client(name, session),
            QuestionKey::Account => account(key, &situation.existing),
            QuestionKey::Token => question(key, format!("Token of account {}:", session.account_name()))
                .intro(["It is hidden while you type or paste it, and is stored in its own file."]),
            QuestionKey::Confirm => {
                let does = match (situation.may_write, situation.has_service) {
                    (false, _) => "Save the answers?",
                    (true, true) => "Write this, start, and wait for the first report?",
                    (true, false) => "Write this?",
                };
                question(key, format!("{does} [Y/n/show]:")).default("y")
            }
            QuestionKey::FirstReport => question(key, "Send one report now, to try the token? [y/N]:")
                .default("n")
                .in_file("`first_report`, true or false"),
        }
    }
}

fn existing(key: QuestionKey, existing: &ExistingConfiguration) -> Question {
    match existing {
        ExistingConfiguration::Valid(config) => {
            let count = config.meters.len();
            let meters = if count == 1 { "meter" } else { "meters" };
            question(key, "Add meters, change one, change the token, start again, or quit? [a/c/t/n/Q]:")
                .default("q")
                .intro([format!("There is a configuration with {count} {meters} and no error. It is kept.")])
        }
        ExistingConfiguration::Broken(problems) => {
            question(key, "Start again, or quit? [n/Q]:").default("q").intro(problems.lines()).intro([
                "The file that is there is no valid configuration of arkmeter. Nothing in it is",
                "changed. Correct it (`arkmeter check` shows the errors), or start again: it is",
                "then kept under another name.",
            ])
        }
        ExistingConfiguration::Absent | ExistingConfiguration::Example => {
            question(key, "Continue? [Y/n]:").default("a")
        }
    }
}

fn lines(key: QuestionKey, situation: &SetupSituation) -> Question {
    let mut intro = Vec::new();
    for (number, offered) in (1..).zip(&situation.lines) {
        let path = offered.line.to_string();
        let name = path.strip_prefix("/dev/serial/by-id/").unwrap_or(&path);
        let state = match &offered.user {
            LineUser::Nobody => "free".to_owned(),
            LineUser::Daemon => "polled by arkmeter".to_owned(),
            LineUser::Program(program) => format!("held by {program}"),
        };
        let place = foreign(&format!("{}, {name}", offered.kind), 50);
        intro.push(format!("{number}  {place:<44} {state}"));
    }
    match situation.lines[..] {
        [] => intro.push("No serial adapter was found. Plug one in and begin again, or:".to_owned()),
        _ => intro.push(String::new()),
    }
    let is_used_by = |user| situation.lines.iter().position(|offered| offered.user == user);
    let polled = is_used_by(LineUser::Daemon);
    if polled.is_some() {
        intro.push("A line that arkmeter polls is used between its polls: nothing need be stopped.".to_owned());
        intro.push(String::new());
    }
    intro.extend(
        [
            "Enter numbers, devices and gateway addresses: 192.168.10.20, or",
            "192.168.10.0/24 to search a network, or rtu:192.168.10.21:4196 for a",
            "transparent converter. No meter here? \"demo\" shows simulated ones.",
        ]
        .map(str::to_owned),
    );
    // Beside a running daemon, somebody mostly adds a meter to its line.
    let question = match polled.or(is_used_by(LineUser::Nobody)) {
        Some(index) => question(key, format!("Lines to scan [{}]:", index + 1)).default((index + 1).to_string()),
        None => question(key, "Lines to scan:"),
    };
    question.intro(intro).in_file("`lines`")
}

/// The names that Enter alone gives, and the list of meters.
fn names(key: QuestionKey, meters: &[SetupMeter]) -> Question {
    let default: Vec<_> =
        meters.iter().map(|meter| if meter.profile.is_some() { meter.name.as_str() } else { "-" }).collect();
    let mut intro = vec![
        "Compare these with the displays. The second line says how sure the model is.".to_owned(),
        String::new(),
        format!("    {:<12} {:<20} {:>9} {:>16}  {}", "LINE", "MODEL", "POWER", "COUNTER", "SERIAL NO."),
    ];
    for (number, meter) in (1..).zip(meters) {
        let reading = meter.reading.as_ref().and_then(|reading| reading.as_ref().ok());
        let shown = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let power = shown(reading.and_then(|reading| reading.power).map(|power| power.in_words()));
        let energy = shown(reading.and_then(|reading| reading.energy).map(|energy| energy.in_words()));
        let serial =
            reading.and_then(|reading| reading.serial.as_ref()).map(|serial| foreign(serial, 12)).unwrap_or_default();
        let place = format!("{} {}", meter.bus, meter.unit);
        let line = format!("{number:<3} {place:<12} {:<20} {power:>9} {energy:>16}  {serial}", model(meter));
        intro.push(line.trim_end().to_owned());
        intro.push(format!("    {:<12} {}", "", meter.certainty));
    }
    intro.extend(
        [
            "",
            "Name each, in this order: letters, digits, _ and -. \"-\" leaves a meter out,",
            "NAME=MODEL gives it another model.",
        ]
        .map(str::to_owned),
    );
    let default = default.join(" ");
    // A long default would wrap.
    let prompt = if default.len() <= 60 { format!("Names [{default}]:") } else { "Names:".to_owned() };
    let question = question(key, prompt).intro(intro).in_file("the names of the tables [meter.NAME]");
    if meters.iter().any(|meter| meter.profile.is_some()) { question.default(default) } else { question }
}

/// `Eastron SDM630`, at most 20 characters.
fn model(meter: &SetupMeter) -> String {
    let entry = meter.profile.as_ref().and_then(|profile| library().find(profile.as_str()));
    let text = entry.map_or("unknown".to_owned(), |entry| format!("{} {}", entry.profile.vendor, entry.profile.model));
    foreign(&text, 20)
}

fn silent(name: Name, session: &SetupSession) -> Question {
    let reading = session.meter(&name).and_then(|meter| meter.reading.clone());
    let why = reading.and_then(Result::err).unwrap_or_else(|| "it was not read".to_owned());
    question(QuestionKey::Silent(name.clone()), "Read again, write it unread, or leave it out? [R/u/x]:")
        .default("r")
        .intro([format!("{name} could not be read: {why}")])
        .in_file(format!("`unread = true` in [meter.{name}] writes it all the same"))
}

fn direction(name: Name, session: &SetupSession) -> Question {
    let power = session.meter(&name).and_then(SetupMeter::power).map(|power| power.in_words()).unwrap_or_default();
    question(QuestionKey::Direction(name.clone()), "Is a load running, and nothing exporting? Then reverse it [y/N]:")
        .default("n")
        .intro([format!("{name} reads {power}: power flows the wrong way, or it exports.")])
        .in_file(format!("`reversed` in [meter.{name}], true or false"))
}

fn client(name: Name, session: &SetupSession) -> Question {
    let first = session.answers().meters.iter().all(|meter| meter.client.is_none());
    let intro: &[&str] = if first {
        &[
            "The identifier that Arkreen issued for each: 0x and 64 hex digits. NAME=0x...",
            "starts a client of several meters, NAME joins it, \"-\" means not reported.",
        ]
    } else {
        &[]
    };
    question(QuestionKey::Client(name.clone()), format!("Client of {name}:"))
        .intro(intro.iter().copied())
        .in_file(format!("`client` in [meter.{name}]"))
}

fn account(key: QuestionKey, existing: &ExistingConfiguration) -> Question {
    let accounts = existing.config().into_iter().flat_map(|config| config.accounts.keys());
    let names: Vec<_> = accounts.map(Name::as_str).collect();
    question(key, format!("Account ({}):", names.join(", "))).in_file("`name` in [account]")
}
