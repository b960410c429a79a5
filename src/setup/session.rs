//! The order of questions and actions. A session holds the answers; what comes next follows from them alone, so that saved answers and an
//! answers file continue where they end.

mod answering;
mod results;

use super::answers::{SetupAnswers, SetupMeter};
use super::clients::ClientAnswer;
use super::configuration::is_account_new;
use super::lines::OfferedLine;
use super::opening::{ConfigurationChange, ExistingConfiguration};
use super::question::{Question, QuestionKey};
use crate::config::Token;
use crate::meter::library;
use crate::survey::{Examination, FoundUnit};
use crate::units::Name;

/// What this box is like, as far as the questions depend on it.
#[derive(Clone, Debug, Default)]
pub struct SetupSituation {
    /// Its serial devices, and the lines of the configuration that is there.
    pub lines: Vec<OfferedLine>,
    /// The configuration that is there.
    pub existing: ExistingConfiguration,
    /// What a new configuration takes over from it: the folder of the ledger, the socket, the endpoint.
    pub kept: SetupAnswers,
    /// The answers of an interrupted set-up, and how old they are in words.
    pub saved: Option<(SetupAnswers, String)>,
    /// There is a valid token file for a new account.
    pub has_token: bool,
    /// The configuration can be written by this user.
    pub may_write: bool,
    /// A service runs arkmeter with this configuration.
    pub has_service: bool,
    /// A daemon runs with this configuration, started by something else than its service.
    pub is_running: bool,
}

/// A unit that a scan found, and what it is.
#[derive(Clone, Debug)]
pub struct ScannedMeter {
    /// Where it is.
    pub found: FoundUnit,
    /// What it is.
    pub examined: Examination,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetupStep {
    /// Ask this, then call [`SetupSession::answer`].
    Ask(Box<Question>),
    /// Do this, then tell the session its result.
    Do(SetupAction),
    /// Everything is done.
    Finished,
}

/// What the caller has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetupAction {
    /// Scan the lines of the answers; then [`SetupSession::scanned`].
    Scan,
    /// Find out the models of these meters; then [`SetupSession::identified`].
    Identify(Vec<Name>),
    /// Read these meters; then [`SetupSession::read`].
    Read(Vec<Name>),
    /// Write the configuration and the token; then [`SetupSession::done`].
    Write,
    /// Start the service, or let it read the new configuration, and wait for the first reports; then [`SetupSession::done`].
    Start,
    /// Send one report; then [`SetupSession::done`].
    Report,
    /// Show the simulated meters; then [`SetupSession::done`].
    Demo,
    /// Change the existing configuration; then [`SetupSession::done`].
    Change(ConfigurationChange),
    /// Replace the token of an account; then [`SetupSession::done`].
    ReplaceToken(Name),
}

/// Which way the session takes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Course {
    /// Before the first step.
    Opening,
    /// The user wants a new configuration, and has not confirmed it.
    StartAgain,
    /// The six steps.
    Steps,
    /// A change of the existing configuration, once it is known.
    Change(Option<ConfigurationChange>),
    /// A new token for an existing account, and whether that is confirmed.
    ReplaceToken(bool),
    /// The simulated meters.
    Demo,
    /// Nothing is left to do.
    Over,
}

/// How far the scan is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ScanState {
    #[default]
    NotYet,
    /// It found nothing.
    Empty,
    /// The meters are written unread, and have to be named.
    Unread,
}

/// A set-up in progress.
#[derive(Clone, Debug)]
pub struct SetupSession {
    situation: SetupSituation,
    answers: SetupAnswers,
    /// Answers come from a file: what is not asked for there is decided.
    from_file: bool,
    course: Course,
    resume_asked: bool,
    scan: ScanState,
    token: Option<Token>,
    confirmed: bool,
    done: Vec<SetupAction>,
}

impl SetupSession {
    /// A set-up that asks everything.
    pub fn new(situation: SetupSituation) -> Self {
        SetupSession {
            situation,
            answers: SetupAnswers::default(),
            from_file: false,
            course: Course::Opening,
            resume_asked: false,
            scan: ScanState::NotYet,
            token: None,
            confirmed: false,
            done: Vec::new(),
        }
    }

    /// A set-up that asks only what the answers leave open.
    pub fn with_answers(mut situation: SetupSituation, answers: SetupAnswers) -> Self {
        situation.saved = None;
        let mut session = SetupSession { from_file: true, confirmed: true, ..SetupSession::new(situation) };
        if answers.replace {
            session.situation.existing = ExistingConfiguration::Absent;
        }
        session.answers = answers;
        session.course = Course::Steps;
        session
    }

    /// The answers so far.
    pub fn answers(&self) -> &SetupAnswers {
        &self.answers
    }

    /// What the box is like.
    pub fn situation(&self) -> &SetupSituation {
        &self.situation
    }

    /// The token, once it was answered.
    pub fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// Whether a meter or the token of the present configuration was changed.
    pub fn has_changed(&self) -> bool {
        self.done.iter().any(|done| matches!(done, SetupAction::Change(_) | SetupAction::ReplaceToken(_)))
    }

    /// Whether the action was done.
    pub fn is_done(&self, action: &SetupAction) -> bool {
        self.done.contains(action)
    }

    /// Whether writing was confirmed.
    pub fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// What comes next.
    pub fn next(&self) -> SetupStep {
        let ask = |key| SetupStep::Ask(Box::new(Question::of(key, self)));
        let pending = |action: SetupAction| match self.done.contains(&action) {
            true => SetupStep::Finished,
            false => SetupStep::Do(action),
        };
        match &self.course {
            Course::Opening => match self.opening() {
                Some(key) => ask(key),
                None => self.step(),
            },
            Course::StartAgain => ask(QuestionKey::StartAgain),
            Course::Steps => self.step(),
            Course::Change(None) => ask(QuestionKey::Change),
            Course::Change(Some(change)) => pending(SetupAction::Change(change.clone())),
            Course::ReplaceToken(false) => ask(QuestionKey::ReplaceToken),
            Course::ReplaceToken(true) if self.token.is_none() => ask(QuestionKey::Token),
            Course::ReplaceToken(true) => pending(SetupAction::ReplaceToken(self.account_name())),
            Course::Demo => pending(SetupAction::Demo),
            Course::Over => SetupStep::Finished,
        }
    }

    /// The question before the first step.
    fn opening(&self) -> Option<QuestionKey> {
        if self.situation.saved.is_some() && !self.resume_asked {
            return Some(QuestionKey::Resume);
        }
        match self.situation.existing {
            ExistingConfiguration::Valid(_) | ExistingConfiguration::Broken(_) => Some(QuestionKey::Existing),
            ExistingConfiguration::Absent | ExistingConfiguration::Example => None,
        }
    }

    /// The next of the six steps.
    fn step(&self) -> SetupStep {
        let question = match self.open_question() {
            Ok(question) => question,
            Err(action) => return SetupStep::Do(action),
        };
        match question {
            Some(key) => SetupStep::Ask(Box::new(Question::of(key, self))),
            None => self.closing(),
        }
    }

    /// The next question about meters, clients and token, or the action that has to come before it.
    fn open_question(&self) -> Result<Option<QuestionKey>, SetupAction> {
        let meters = &self.answers.meters;
        if meters.is_empty() {
            return match (self.answers.lines.is_empty(), self.scan) {
                (true, _) => Ok(Some(QuestionKey::Lines)),
                (false, ScanState::NotYet) => Err(SetupAction::Scan),
                (false, ScanState::Empty) => Ok(Some(QuestionKey::NothingFound)),
                (false, ScanState::Unread) => Ok(Some(QuestionKey::Unread)),
            };
        }
        let names_of = |wanted: &dyn Fn(&SetupMeter) -> bool| -> Vec<Name> {
            meters.iter().filter(|meter| wanted(meter)).map(|meter| meter.name.clone()).collect()
        };
        let unnamed = meters.iter().any(|meter| !meter.named);
        let unknown = names_of(&|meter| meter.profile.is_none() && meter.certainty.is_empty() && !meter.unread);
        if !unnamed && !unknown.is_empty() {
            return Err(SetupAction::Identify(unknown));
        }
        let unread = names_of(&|meter| meter.reading.is_none() && meter.profile.is_some() && !meter.unread);
        if !unread.is_empty() {
            return Err(SetupAction::Read(unread));
        }
        if unnamed {
            return Ok(Some(QuestionKey::Names));
        }
        Ok(self.question_of_meters())
    }

    /// The first question about a meter, its client, or the token.
    fn question_of_meters(&self) -> Option<QuestionKey> {
        let meters = &self.answers.meters;
        for meter in meters {
            let name = || meter.name.clone();
            if meter.profile.is_none() {
                return Some(QuestionKey::Model(name()));
            }
            if matches!(meter.reading, Some(Err(_))) && !meter.unread {
                return Some(QuestionKey::Silent(name()));
            }
            if meter.reversed.is_none() && meter.power().is_some_and(|power| power.0 < 0) && can_reverse(meter) {
                return Some(QuestionKey::Direction(name()));
            }
        }
        if meters.iter().any(|meter| meter.fuses.is_none()) {
            return Some(QuestionKey::Fuses);
        }
        if let Some(meter) = meters.iter().find(|meter| meter.client.is_none()) {
            return Some(QuestionKey::Client(meter.name.clone()));
        }
        let accounts = self.situation.existing.config().map_or(0, |config| config.accounts.len());
        let own = meters.iter().any(|meter| !matches!(meter.client, None | Some(ClientAnswer::NotReported)));
        if accounts > 1 && own && self.answers.account.name.is_none() {
            return Some(QuestionKey::Account);
        }
        let needs_token = is_account_new(&self.answers, &self.situation.existing);
        let asks_token = needs_token && self.situation.may_write && !self.situation.has_token;
        (asks_token && self.token.is_none()).then_some(QuestionKey::Token)
    }

    /// Writing, starting and the first report.
    fn closing(&self) -> SetupStep {
        let is_done = |action| self.is_done(&action);
        let reports = self.answers.meters.iter().any(|meter| !matches!(meter.client, Some(ClientAnswer::NotReported)));
        if !self.confirmed {
            return SetupStep::Ask(Box::new(Question::of(QuestionKey::Confirm, self)));
        }
        if !self.situation.may_write {
            return SetupStep::Finished;
        }
        if !is_done(SetupAction::Write) {
            return SetupStep::Do(SetupAction::Write);
        }
        if self.situation.has_service {
            let starts = self.answers.start.unwrap_or(true) && !is_done(SetupAction::Start);
            return if starts { SetupStep::Do(SetupAction::Start) } else { SetupStep::Finished };
        }
        // The running daemon reports, once it has read the new configuration.
        if self.situation.is_running {
            return SetupStep::Finished;
        }
        match self.answers.first_report {
            None if reports && !self.from_file => {
                SetupStep::Ask(Box::new(Question::of(QuestionKey::FirstReport, self)))
            }
            Some(true) if reports && !is_done(SetupAction::Report) => SetupStep::Do(SetupAction::Report),
            _ => SetupStep::Finished,
        }
    }

    /// The meter of this name.
    pub fn meter(&self, name: &Name) -> Option<&SetupMeter> {
        self.answers.meters.iter().find(|meter| meter.name == *name)
    }

    fn meter_mut(&mut self, name: &Name) -> Option<&mut SetupMeter> {
        self.answers.meters.iter_mut().find(|meter| meter.name == *name)
    }

    /// The account whose token is asked for: the one of the existing configuration, or a new one.
    pub fn account_name(&self) -> Name {
        let accounts = self.situation.existing.config().map(|config| &config.accounts);
        match accounts.and_then(|accounts| accounts.keys().next()) {
            Some(first) if self.answers.account.name.is_none() => first.clone(),
            _ => self.answers.account.name(),
        }
    }

    /// Which parts of the answers there are: `lines, meters, names`.
    pub fn progress(&self) -> Vec<&'static str> {
        progress(&self.answers)
    }

    /// What the saved answers contain: `Saved 4 min ago: lines, meters, names.`
    pub(super) fn saved_text(&self) -> String {
        match &self.situation.saved {
            Some((answers, age)) => format!("Saved {age}: {}.", progress(answers).join(", ")),
            None => "Nothing is saved.".to_owned(),
        }
    }
}

fn progress(answers: &SetupAnswers) -> Vec<&'static str> {
    let meters = &answers.meters;
    let any = |is: &dyn Fn(&SetupMeter) -> bool| meters.iter().any(is);
    let parts = [
        (!answers.lines.is_empty() || any(&|_| true), "lines"),
        (any(&|_| true), "meters"),
        (any(&|meter| meter.named), "names"),
        (any(&|meter| meter.fuses.is_some()), "fuses"),
        (any(&|meter| meter.client.is_some()), "clients"),
    ];
    parts.into_iter().filter(|(is, _)| *is).map(|(_, part)| part).collect()
}

/// Whether its model may be wired the other way.
fn can_reverse(meter: &SetupMeter) -> bool {
    let entry = meter.profile.as_ref().and_then(|profile| library().find(profile.as_str()));
    entry.is_none_or(|entry| entry.profile.can_reverse())
}
