//! Runs a corpus of random histories and sums up what they showed.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use crate::audit::{Expected, Findings, audit};
use crate::referee::Guard;
use crate::site::Site;

/// A corpus of random histories.
pub(crate) struct Corpus {
    /// The variable of the environment that says how many histories are run; with `_SEED` added, it selects one and prints its events;
    /// with `_KIND`, those whose name contains a text.
    pub variable: &'static str,
    pub history: fn(u64) -> (Site, Expected),
    /// The number of histories of an ordinary run.
    pub count: u64,
    /// Those of them that break a promise.
    pub known: &'static [&'static str],
}

impl Corpus {
    pub(crate) fn run(&self) {
        let variable = |suffix: &str| std::env::var(format!("{}{suffix}", self.variable)).ok();
        let number = |suffix: &str| variable(suffix).and_then(|value| value.parse::<u64>().ok());
        if let Some(seed) = number("_SEED") {
            let (site, expected) = (self.history)(seed);
            println!("{site:#?}\n{expected:?}");
            let findings = audit::<Guard>(&site, expected, true);
            println!("{findings:#?}");
            return;
        }
        let kind = variable("_KIND");
        let histories = (0..number("").unwrap_or(self.count)).map(self.history);
        let wanted = |(site, _): &(Site, _)| kind.as_ref().is_none_or(|kind| site.name.contains(kind));
        let histories: Vec<_> = histories.filter(wanted).collect();
        let findings = run_all(&histories);
        let broken: BTreeSet<_> = print(&findings).into_iter().collect();
        if kind.is_none() && number("").is_none() {
            let known: BTreeSet<_> = self.known.iter().copied().collect();
            assert_eq!(broken, known, "the histories that break a promise, and those of known.rs");
        }
    }
}

/// Runs all histories on two threads, the long ones spread over both.
fn run_all(histories: &[(Site, Expected)]) -> Vec<Findings> {
    let judge = |first: usize| -> Vec<Findings> {
        histories.iter().skip(first).step_by(2).map(|(site, expected)| outcome(site, *expected)).collect()
    };
    thread::scope(|scope| {
        let halves = [0, 1].map(|first| scope.spawn(move || judge(first)));
        let [first, second] = halves.map(|half| half.join().unwrap());
        let mut second = second.into_iter();
        first.into_iter().flat_map(|findings| [Some(findings), second.next()]).flatten().collect()
    })
}

fn outcome(site: &Site, expected: Expected) -> Findings {
    catch_unwind(AssertUnwindSafe(|| audit::<Guard>(site, expected, false))).unwrap_or_else(|_| Findings {
        name: site.name.clone(),
        broken: vec!["panicked".to_owned()],
        ..Findings::default()
    })
}

/// Prints the broken histories and a table by kind. Returns the names of the broken ones.
fn print(findings: &[Findings]) -> Vec<&str> {
    for broken in findings.iter().filter(|findings| !findings.broken.is_empty()) {
        println!("{}: {}", broken.name, broken.broken.join("; "));
    }
    let mut kinds: BTreeMap<&str, Vec<&Findings>> = BTreeMap::new();
    for findings in findings {
        let kind = findings.name.split(['/', '+']).nth(1).unwrap_or("");
        kinds.entry(kind).or_default().push(findings);
    }
    println!(
        "{:<28}{:>6}{:>7}{:>8}{:>7}{:>9}{:>9}{:>6}{:>8}{:>6}{:>6}",
        "kind", "runs", "broken", "days", "holds", "holds/y", "decided", "late", "latest", "inv.", "lost"
    );
    for (kind, findings) in &kinds {
        print_row(kind, findings);
    }
    print_row("all", &findings.iter().collect::<Vec<_>>());
    let without_clock: u64 = findings.iter().map(|findings| findings.holds_without_clock).sum();
    println!("of the holds, {without_clock} while the clock was not known to be right (allowed)");
    findings.iter().filter(|findings| !findings.broken.is_empty()).map(|findings| findings.name.as_str()).collect()
}

fn print_row(kind: &str, findings: &[&Findings]) {
    let sum = |of: fn(&Findings) -> u64| findings.iter().map(|findings| of(findings)).sum::<u64>();
    let days: f64 = findings.iter().map(|findings| findings.days).sum();
    println!(
        "{kind:<28}{:>6}{:>7}{days:>8.1}{:>7}{:>9.1}{:>9}{:>6}{:>8}{:>6}{:>6}",
        findings.len(),
        sum(|findings| u64::from(!findings.broken.is_empty())),
        sum(|findings| findings.holds),
        sum(|findings| findings.holds) as f64 * 365.0 / days.max(0.001),
        sum(|findings| findings.decisions),
        sum(|findings| findings.late),
        findings.iter().map(|findings| findings.latest).max().unwrap_or(0),
        sum(|findings| u64::from(findings.invented > 0)),
        sum(|findings| u64::from(findings.lost > 0)),
    );
}
