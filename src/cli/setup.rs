//! `arkmeter setup`: asks the questions of [`crate::setup`] on a terminal or takes the answers from a file, and does what follows from them.

mod adapters;
mod changes;
mod files;
mod first_reports;
mod meters;
mod service;
mod situation;
mod terminal;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use super::check::{self, CheckOptions};
use super::context::with_config;
use super::{demo, exit, handover, report};
use crate::config::{Config, Environment, Token, shown_path};
use crate::setup::{
    ConfigurationPaths, ExistingConfiguration, Question, QuestionKey, SetupAction, SetupSession, SetupStep,
    added_tables, missing_answers, parse_answers,
};
use files::Saved;
use situation::situation;
pub(super) use terminal::style;
use terminal::{Asked, copyable, heading, say, tell};

/// Runs the set-up. The exit code: 0 if everything is done.
pub(super) fn setup(answers: Option<&Path>, path: &Path, environment: &Environment) -> u8 {
    let outcome = match answers {
        Some(file) => from_file(file, path, environment),
        None if io::stdin().is_terminal() && io::stderr().is_terminal() => interactive(path, environment),
        None => {
            say("setup asks questions, and this is no terminal: give the answers with `arkmeter setup --answers FILE`");
            Err(exit::USAGE)
        }
    };
    outcome.map_or_else(|code| code, |()| 0)
}

/// One run of the set-up.
struct SetupRun<'a> {
    session: SetupSession,
    path: &'a Path,
    environment: &'a Environment,
    saved: Saved,
    /// The configuration as it was at the start: a running daemon has its lines.
    before: Option<Config>,
    /// The questions are asked on the terminal.
    asks: bool,
    /// The title of the last step.
    step: usize,
}

fn interactive(path: &Path, environment: &Environment) -> Result<(), u8> {
    let mut situation = situation(path, environment, None);
    let mut saved = Saved::beside(path, situation.may_write);
    heading(situation.may_write, path, &saved);
    situation.saved = saved.load();
    let before = situation.existing.config().cloned();
    let mut run =
        SetupRun { session: SetupSession::new(situation), path, environment, saved, before, asks: true, step: 0 };
    let outcome = run.steps();
    if outcome == Err(exit::INTERRUPTED) {
        run.stopped();
    }
    outcome
}

fn from_file(file: &Path, path: &Path, environment: &Environment) -> Result<(), u8> {
    let text = files::text(file).map_err(|error| {
        tell(&format!("the answers file {} cannot be read: {error}", shown_path(file)));
        exit::FAILED
    })?;
    let answers = parse_answers(file, &text).map_err(|problems| {
        say(problems.render(io::stderr().is_terminal()).trim_end());
        exit::CONFIG
    })?;
    let situation = situation(path, environment, Some(&answers));
    if let ExistingConfiguration::Broken(problems) = &situation.existing
        && !answers.replace
    {
        say(&format!(
            "{problems}\n{} is no valid configuration of arkmeter: correct it, or keep it under another name with `replace = true` in the \
             answers file",
            shown_path(path)
        ));
        return Err(exit::CONFIG);
    }
    let refuse = |what: &str, list: Vec<String>| {
        say(&format!("{} {what}:\n  {}", shown_path(file), list.join("\n  ")));
        Err(exit::CONFIG)
    };
    let missing = missing_answers(&answers, &situation);
    if !missing.is_empty() {
        return refuse("is not complete. It lacks", missing);
    }
    if !situation.may_write {
        say(&format!(
            "{} cannot be written by this user: run `sudo arkmeter setup --answers {}`",
            path.display(),
            file.display()
        ));
        return Err(exit::FAILED);
    }
    let before = situation.existing.config().cloned();
    let session = SetupSession::with_answers(situation, answers);
    if let Err(wrong) = session.check_answers() {
        return refuse("cannot be used", wrong);
    }
    let mut run = SetupRun { session, path, environment, saved: Saved::nowhere(), before, asks: false, step: 0 };
    run.steps()
}

impl SetupRun<'_> {
    fn steps(&mut self) -> Result<(), u8> {
        loop {
            match self.session.next() {
                SetupStep::Ask(question) => self.ask(&question)?,
                SetupStep::Do(action) => {
                    self.act(action)?;
                    self.save();
                }
                SetupStep::Finished => return self.finish(),
            }
        }
    }

    /// Asks until the answer is right.
    fn ask(&mut self, question: &Question) -> Result<(), u8> {
        self.begin_step(question.key.step());
        if !self.asks && question.key != QuestionKey::Token {
            question.intro.iter().for_each(|line| say(&format!("  {line}")));
            say(&format!("The answers file does not say: {}", question.in_file));
            return Err(exit::CONFIG);
        }
        if self.asks {
            question.intro.iter().for_each(|line| say(format!("  {line}").trim_end()));
            if !question.intro.is_empty() {
                say("");
            }
        }
        loop {
            let text = match terminal::ask(question, self.asks) {
                Asked::Answer(text) => text,
                Asked::Stopped => return Err(exit::INTERRUPTED),
                Asked::NoAnswer(why) => {
                    tell(&why);
                    return Err(exit::CONFIG);
                }
            };
            if question.key == QuestionKey::Confirm && text.trim().eq_ignore_ascii_case("show") {
                copyable(&self.tables());
                continue;
            }
            match self.session.answer(&text) {
                Ok(remarks) => {
                    remarks.iter().for_each(|remark| tell(&format!("  {remark}")));
                    self.save();
                    return Ok(());
                }
                Err(why) if self.asks => tell(&format!("  ! {why}")),
                Err(why) => {
                    tell(&format!("the token on standard input cannot be used: {why}. Nothing was written."));
                    return Err(exit::CONFIG);
                }
            }
        }
    }

    fn begin_step(&mut self, step: Option<(usize, &'static str)>) {
        if let Some((number, title)) = step.filter(|(number, _)| *number != self.step && self.asks) {
            self.step = number;
            say(&format!("\n{number} of 6  {title}\n"));
            if number == 6 {
                self.announce();
            }
        } else {
            say("");
        }
    }

    /// What the last step will do.
    fn announce(&self) {
        let paths = self.paths();
        let answers = self.session.answers();
        let existing = self.session.situation().existing.config();
        let meters = match answers.meters.len() {
            1 => "1 meter".to_owned(),
            count => format!("{count} meters"),
        };
        let added = if existing.is_some() { "added" } else { "new" };
        say(&format!("  {:<36} {added}, {meters}", shown_path(self.path)));
        if self.session.token().is_some() {
            say(&format!("  {:<36} new, {}", shown_path(&paths.token), files::token_access()));
        }
        if self.session.situation().has_service {
            say(&format!("  {:<36} enabled and started", "arkmeter.service"));
        }
        say("");
    }

    fn act(&mut self, action: SetupAction) -> Result<(), u8> {
        match &action {
            SetupAction::Scan => return self.scan(),
            SetupAction::Identify(names) => return self.identify(names),
            SetupAction::Read(names) => return self.read(names),
            SetupAction::Write => self.write()?,
            SetupAction::Start => self.start()?,
            SetupAction::Report => {
                let sent = with_config(self.path, self.environment, |config| report::report(config, false));
                if sent != 0 {
                    say(&format!(
                        "The configuration is written to {}. Nothing is lost: correct the above, and try again with\n  arkmeter report --once",
                        self.path.display()
                    ));
                    return Err(sent);
                }
            }
            SetupAction::Demo => {
                say("Nothing was written. Simulated meters and a simulated endpoint run until Ctrl-C:\n");
                match demo::demo(None) {
                    0 => {}
                    code => return Err(code),
                }
            }
            SetupAction::Change(change) => changes::change(self.path, change, self.environment)?,
            SetupAction::ReplaceToken(account) => self.replace_token(account)?,
        }
        self.session.done(action);
        Ok(())
    }

    fn paths(&self) -> ConfigurationPaths {
        ConfigurationPaths::new(self.path, self.session.answers().account.name().as_str())
    }

    /// The tables that are written.
    fn tables(&self) -> String {
        added_tables(self.session.answers(), &self.session.situation().existing, &self.paths())
    }

    fn save(&mut self) {
        if self.asks && !self.session.progress().is_empty() {
            self.saved.save(self.session.answers());
        }
    }

    /// The configuration, and before it the token: a token without a configuration does no harm.
    fn write(&mut self) -> Result<(), u8> {
        let paths = self.paths();
        let token = match self.session.token() {
            Some(token) => Some(self.write_token(&paths.token, token)?),
            None => None,
        };
        let situation = self.session.situation();
        let moves = self.session.answers().replace || matches!(situation.existing, ExistingConfiguration::Example);
        let written = files::write_configuration(self.path, &self.tables(), moves, self.environment);
        let kept = written.map_err(|error| {
            if let Some(path) = token {
                // It was made a moment ago, by this run.
                let _ = std::fs::remove_file(path);
            }
            say(&error);
            say("Nothing was changed.");
            exit::FAILED
        })?;
        if let Some(kept) = kept {
            say(&format!("  the former file is kept as {}", kept.display()));
        }
        self.saved.finish(self.session.answers());
        let mut remarks = Vec::new();
        let code = check::check(self.path, self.environment, CheckOptions::default(), &mut io::sink(), &mut remarks);
        let remarks = String::from_utf8_lossy(&remarks);
        remarks.lines().filter(|line| line.starts_with("error") || line.starts_with("warning")).for_each(tell);
        match code {
            0 => {
                say("  written; check found no error");
                Ok(())
            }
            code => {
                say("  written, but check found the errors above: correct them");
                Err(code)
            }
        }
    }

    fn write_token(&self, path: &Path, token: &Token) -> Result<PathBuf, u8> {
        files::write_token(path, token).map_err(|error| {
            say(&format!("the token file {} cannot be written: {error}. Nothing was changed.", path.display()));
            exit::FAILED
        })?;
        Ok(path.to_owned())
    }

    fn start(&mut self) -> Result<(), u8> {
        service::start().map_err(|error| {
            say(&format!("The configuration is written, but the service does not start: {error}"));
            exit::FAILED
        })?;
        let clients = self.session.new_clients();
        first_reports::wait(self.path, self.environment, &clients, self.asks)
    }

    fn replace_token(&self, account: &crate::units::Name) -> Result<(), u8> {
        let config = self.session.situation().existing.config();
        let Some((account, token)) = config.and_then(|config| config.accounts.get(account)).zip(self.session.token())
        else {
            return Ok(());
        };
        changes::replace_token(account, token)
    }

    /// The end of a set-up.
    fn finish(&mut self) -> Result<(), u8> {
        let wrote = self.session.is_done(&SetupAction::Write);
        if !wrote && !self.session.is_confirmed() {
            if self.saved.can_resume() && !self.session.has_changed() {
                say("\nNothing was written. Your answers are saved; continue with");
                copyable(&format!("  {}", self.saved.command(self.path)));
            }
            return Ok(());
        }
        let config = match self.path.to_str() {
            Some("/etc/arkmeter/arkmeter.toml") | None => String::new(),
            Some(path) => format!(" --config {path}"),
        };
        if !wrote {
            if let Some(file) = self.saved.finish(self.session.answers()) {
                say("  The answers are saved. This writes the configuration and starts; it asks for\n  the token:");
                copyable(&format!("    sudo arkmeter setup --answers {}{config}", file.display()));
            }
            return Ok(());
        }
        if self.session.situation().has_service {
            if let Some(sheet) =
                handover::after_setup(self.path, self.environment).filter(|_| self.session.is_done(&SetupAction::Start))
            {
                say(&format!("\n{sheet}"));
            }
            say(
                "\n  watch     arkmeter status --watch\n  handover  arkmeter handover, or arkmeter handover --html > sheet.html",
            );
        } else {
            let start = match self.session.situation().is_running {
                true => service::load_running(self.before.as_ref()),
                false => format!("start     arkmeter run{config}"),
            };
            copyable(&format!("\n  {start}\n  watch     arkmeter status{config}"));
        }
        if let Some(file) = self.saved.file().filter(|_| self.asks) {
            copyable(&format!("  repeat    sudo arkmeter setup --answers {}{config}", file.display()));
            say("            (it contains your answers, but not the token)");
        }
        Ok(())
    }

    /// What is left after Ctrl-C.
    fn stopped(&self) {
        if self.session.is_done(&SetupAction::Write) {
            say("\nStopped. The configuration is written. See  arkmeter status");
            return;
        }
        let parts = self.session.progress();
        match self.saved.file().filter(|_| !parts.is_empty()) {
            Some(_) => {
                say(&format!("\nStopped. Saved: {}.\nThe configuration was not changed.", parts.join(", ")));
                copyable(&format!("Resume with  {}", self.saved.command(self.path)));
            }
            None => say("\nStopped. Nothing was changed."),
        }
    }
}
