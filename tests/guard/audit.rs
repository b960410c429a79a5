//! Replays the history of a site through a publisher and checks every promise.

use std::collections::VecDeque;

use arkmeter::guard::MeterSettings;

use crate::load::{MINUTE, SECOND};
use crate::referee::Publisher;
use crate::site::{Moment, Poll, Site, Stop};
use crate::world::Interruption;

/// What a site is judged by, besides the promises that hold for all: the figure never falls and is never invented.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// Nothing is held, and what the meter showed is published within a minute and two polls.
    pub quiet: bool,
    /// Everything that the meter counted is published at the end.
    pub complete: bool,
    /// So much of what was counted since the beginning of the first fault may be published in addition.
    pub surplus: Surplus,
    /// At most so many runs of `held`.
    pub holds: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Surplus {
    Nothing,
    /// So many percent of what the meter counted since then.
    OfCounted(u64),
    /// 1.25 x the maximum power while a fault lasts, and two polls longer.
    AtFullPower,
    /// This energy, in mWh.
    Mwh(u64),
}

/// What a history showed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    pub name: String,
    pub days: f64,
    pub polls: u64,
    /// Each run of `held`.
    pub holds: u64,
    /// Those of them during which the wall clock was not known to be right: not counted as a broken promise.
    pub holds_without_clock: u64,
    /// Verdicts other than those of an ordinary reading.
    pub decisions: u64,
    /// How often the figure was behind, and how long at most, in s.
    pub late: u64,
    pub latest: u64,
    /// The most that was invented, and what was missing at the end, in mWh.
    pub invented: u64,
    pub lost: u64,
    pub fell: u64,
    /// The broken promises in words; empty if all were kept.
    pub broken: Vec<String>,
}

pub(crate) fn audit<P: Publisher + Default>(site: &Site, expected: Expected, trace: bool) -> Findings {
    let mut audit = Audit::<P>::new(site, expected, trace);
    site.play(|moment| audit.see(&moment));
    audit.finish()
}

struct Audit<'a, P> {
    site: &'a Site,
    settings: MeterSettings,
    expected: Expected,
    trace: bool,
    publisher: P,
    disk: P,
    findings: Findings,
    due: Due,
    highest: u64,
    /// The highest register of a fault that no guard could recognise when it began.
    believable: u64,
    first_fault: Option<u64>,
    /// What was kept when the first fault began.
    kept_before: u64,
    word: &'static str,
    behind_since: Option<u64>,
    /// When the daemon last began, and how many registers it has read since then.
    began_at: u64,
    reads: u64,
    last_at: u64,
}

impl<'a, P: Publisher + Default> Audit<'a, P> {
    fn new(site: &'a Site, expected: Expected, trace: bool) -> Self {
        let findings = Findings { name: site.name.clone(), ..Findings::default() };
        Audit {
            site,
            settings: site.settings(),
            expected,
            trace,
            publisher: P::default(),
            disk: P::default(),
            findings,
            due: Due::default(),
            highest: 0,
            believable: 0,
            first_fault: site.faults.iter().map(|fault| fault.from).min(),
            kept_before: 0,
            word: "",
            behind_since: None,
            began_at: 0,
            reads: 0,
            last_at: 0,
        }
    }

    /// Returns false once enough is broken.
    fn see(&mut self, moment: &Moment) -> bool {
        match moment {
            Moment::Slot => self.disk = self.publisher.stored(false),
            Moment::Stop(stop) => self.stop(*stop),
            Moment::Poll(poll) => self.poll(poll),
        }
        self.findings.fell + u64::from(self.findings.invented > 0) < 6
    }

    fn stop(&mut self, stop: Stop) {
        if stop.how == Interruption::Restart {
            self.disk = self.publisher.stored(true);
        }
        self.publisher = self.disk.reload();
        self.highest = self.disk.published().unwrap_or(0);
        self.began_at = stop.at + stop.down;
        self.reads = 0;
        self.due.begin_again(self.began_at);
        self.behind_since = None;
        if self.trace {
            println!("{:>10.1} {:?}", seconds(stop.at), stop);
        }
    }

    fn poll(&mut self, poll: &Poll) {
        self.findings.polls += 1;
        self.last_at = poll.at;
        self.findings.days = poll.at as f64 / 86_400_000.0;
        let before = self.publisher.published();
        let (word, decided) = self.publisher.read(&self.settings, &poll.clock, &poll.values);
        if decided {
            self.disk = self.publisher.stored(false);
        }
        let published = self.publisher.published();
        if self.trace && (!matches!(word, "advanced" | "unchanged") || self.word != word || before != published) {
            print_poll(self.site, poll, word, published);
        }
        self.count(poll, word);
        if let Some(published) = published {
            self.check_figure(poll, published);
        }
        if poll.values.register.is_some() {
            self.check_delay(poll, published);
        }
    }

    fn count(&mut self, poll: &Poll, word: &'static str) {
        if word == "held" && self.word != "held" {
            self.findings.holds += 1;
            self.findings.holds_without_clock += u64::from(!poll.clock.trusted);
            if self.expected.quiet && poll.clock.trusted && self.findings.holds - self.findings.holds_without_clock == 1
            {
                self.break_promise(poll, "held");
            }
        }
        if !matches!(word, "baseline" | "unchanged" | "advanced" | "waiting" | "held") {
            self.findings.decisions += 1;
            if self.expected.quiet && poll.clock.trusted && self.word != "held" {
                self.break_promise(poll, word);
            }
        }
        self.word = word;
    }

    fn check_figure(&mut self, poll: &Poll, published: u64) {
        if published < self.highest {
            self.findings.fell += 1;
            self.break_promise(poll, &format!("fell from {} to {published}", self.highest));
        }
        self.highest = self.highest.max(published);
        if poll.believable {
            let register = poll.values.register.map_or(0, |register| register.value.get());
            self.believable = self.believable.max(register);
        }
        if self.first_fault.is_none_or(|first| poll.at < first) {
            self.kept_before = poll.kept;
        }
        let surplus = match (self.expected.surplus, self.first_fault) {
            (Surplus::Nothing, _) | (_, None) => 0,
            (Surplus::OfCounted(percent), _) => (poll.kept - self.kept_before) * percent / 100,
            (Surplus::AtFullPower, _) => self.at_full_power(poll.at),
            (Surplus::Mwh(energy), _) => energy,
        };
        let true_figure = self.base() + poll.kept;
        let most = (true_figure + surplus).max(self.believable) + self.tolerance();
        if published > most {
            if self.findings.invented == 0 {
                self.break_promise(poll, &format!("invented {} mWh at first", published - most));
            }
            self.findings.invented = self.findings.invented.max(published - true_figure);
        }
    }

    /// 1.25 x the maximum power during the faults so far and two polls around each, in mWh.
    fn at_full_power(&self, at: u64) -> u64 {
        let begun = self.site.faults.iter().filter(|fault| fault.from <= at);
        let faulty: u64 = begun.map(|fault| at.min(fault.to) - fault.from + 2 * self.site.poll).sum();
        self.site.max_power * faulty / 3600 * 5 / 4
    }

    fn check_delay(&mut self, poll: &Poll, published: Option<u64>) {
        self.reads += 1;
        // After a stop, the minute begins with the first reading: the line may have been dead until then.
        let waits = !poll.clock.trusted || published.is_none() || self.reads == 1;
        let due = self.due.read(poll, waits);
        if published.is_none() && self.reads >= 10 && poll.at >= self.began_at + 5 * MINUTE {
            let zero = self.base() < self.site.step;
            if self.expected.quiet && !zero && self.findings.latest == 0 {
                self.findings.latest = 300;
                self.break_promise(poll, "no baseline after 5 minutes");
            }
        }
        let missing = match published {
            Some(published) => (self.base() + due).saturating_sub(self.tolerance() + published),
            None => 0,
        };
        if missing == 0 {
            self.behind_since = None;
            return;
        }
        let since = *self.behind_since.get_or_insert_with(|| {
            self.findings.late += 1;
            poll.at
        });
        self.findings.latest = self.findings.latest.max((poll.at - since) / SECOND + 60);
        if self.expected.quiet && self.findings.late == 1 && since == poll.at {
            self.break_promise(poll, &format!("{missing} mWh late"));
        }
    }

    fn finish(mut self) -> Findings {
        let due = if self.site.has_counter { self.base() + self.due.matured } else { self.integrable() };
        match self.publisher.published() {
            None if self.word == "held" && !self.expected.quiet => {}
            None => self.findings.broken.push("never published".to_owned()),
            Some(published) => {
                let lost = due.saturating_sub(self.tolerance() + published);
                if self.expected.complete && lost > 0 {
                    self.findings.lost = lost;
                    self.findings.broken.push(format!("lost {lost} mWh"));
                }
            }
        }
        let Findings { holds, late, latest, .. } = self.findings;
        if holds > self.expected.holds {
            self.findings.broken.push("too many holds".to_owned());
        }
        if !self.findings.broken.is_empty() {
            self.findings.broken.push(format!("in all {holds} holds, {late} times late, by up to {latest} s"));
        }
        self.findings
    }

    /// What a meter without a counter surely showed: all but the first minute, the faults and two polls around each, in mWh.
    fn integrable(&self) -> u64 {
        let site = self.site;
        let faulty: u64 = site.faults.iter().map(|fault| fault.to - fault.from + 3 * site.poll).sum();
        let sound = self.last_at.saturating_sub(faulty + MINUTE + 5 * site.poll);
        if site.line.lost_percent > 0 { 0 } else { site.load.high.max(0) as u64 * sound / 3600 }
    }

    fn break_promise(&mut self, poll: &Poll, what: &str) {
        self.findings.broken.push(format!("at {:.1} {what}", seconds(poll.at)));
    }

    /// The figure of a meter without a counter begins at 0.
    fn base(&self) -> u64 {
        if self.site.has_counter { self.site.base } else { 0 }
    }

    fn tolerance(&self) -> u64 {
        (2 + self.site.noise) * self.site.step
    }
}

/// What the meter showed and must be published: after a minute, at the second read.
#[derive(Default)]
struct Due {
    /// When something was shown.
    shown: VecDeque<(u64, u64)>,
    /// What was shown a minute ago, with the number of the read that came then.
    ripe: VecDeque<(u64, u64)>,
    /// What must be published, in mWh.
    matured: u64,
    reads: u64,
}

impl Due {
    /// Notes a read. Returns the energy that must be published after it.
    fn read(&mut self, poll: &Poll, waits: bool) -> u64 {
        self.reads += 1;
        while let Some((_, energy)) = self.ripe.front().copied().filter(|(read, _)| *read < self.reads) {
            self.ripe.pop_front();
            self.matured = self.matured.max(energy);
        }
        if waits {
            self.begin_again(poll.at);
        }
        while let Some((_, energy)) = self.shown.front().copied().filter(|(at, _)| *at + MINUTE <= poll.at) {
            self.shown.pop_front();
            self.ripe.push_back((self.reads, energy));
        }
        if self.shown.back().is_none_or(|(_, energy)| *energy < poll.shown) {
            self.shown.push_back((poll.at, poll.shown));
        }
        self.matured
    }

    /// The minute begins again: the daemon was stopped, or may wait.
    fn begin_again(&mut self, at: u64) {
        let latest = self.shown.back().or(self.ripe.back()).map_or(self.matured, |(_, energy)| *energy);
        *self = Due { shown: [(at, latest)].into(), reads: self.reads, ..Due::default() };
    }
}

fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

fn print_poll(site: &Site, poll: &Poll, word: &str, published: Option<u64>) {
    let kwh = |energy: u64| energy as f64 / 1e6;
    println!(
        "{:>10.1} {word:<10} register {:?} power {:?} W published {:?} kept {:.6}{}",
        seconds(poll.at),
        poll.values.register.map(|register| kwh(register.value.get())),
        poll.values.power.map(|power| power.0 as f64 / 1000.0),
        published.map(kwh),
        kwh(if site.has_counter { site.base } else { 0 } + poll.kept),
        if poll.clock.trusted { "" } else { " (clock not trusted)" },
    );
}
