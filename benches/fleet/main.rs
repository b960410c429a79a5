//! Simulates fleets and prints a table of the load on the endpoint: `cargo bench --bench fleet [-- BOXES [NAME...]]`.
//!
//! Without arguments: a million boxes in all scenarios. `ARKMETER_IMAGES=DIR` also draws the charts there.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod chart;
mod scenarios;

use std::path::Path;

use arkmeter::simulator::fleet::{FleetLoad, simulate};
use chart::Chart;
use scenarios::Named;

const BOXES: u32 = 1_000_000;

fn main() {
    // Cargo adds the option --bench.
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let boxes =
        arguments.first().map_or(BOXES, |boxes| boxes.parse().expect("the first argument is a number of boxes"));
    let names = arguments.get(1..).unwrap_or_default();
    println!("| scenario | before | during | after | accepted within | complete hours |");
    for named in scenarios::all(boxes) {
        if names.is_empty() || names.iter().any(|name| name == named.name) {
            let load = simulate(&named.scenario, 1);
            println!("{}", row(&named, &load));
            if let Some(folder) = std::env::var_os("ARKMETER_IMAGES").filter(|_| named.drawn) {
                let file = Path::new(&folder).join(format!("fleet-{}.svg", named.name));
                std::fs::write(&file, chart(&named, &load)).expect("the folder of the charts can be written");
            }
        }
    }
}

/// Calls a second as multiples of the mean: lowest and highest before, during and after the event.
fn row(named: &Named, load: &FleetLoad) -> String {
    let (begin, end) = named.event();
    let range = |seconds: &[u32]| {
        let times = |calls: Option<&u32>| calls.map_or(0.0, |calls| f64::from(*calls) / load.mean());
        format!("{:.2} to {:.2}", times(seconds.iter().min()), times(seconds.iter().max()))
    };
    let (from, to) = (named.scenario.seconds.start + 120, named.scenario.seconds.end);
    let within = load.all_accepted_within(end).map_or("not all".to_owned(), |time| format!("{} s", time.as_secs()));
    format!(
        "| {} ({}) | {} | {} | {} | {within} | {:.1} % |",
        named.what,
        named.name,
        range(load.calls(from..begin)),
        if end > begin { range(load.calls(begin..end)) } else { "-".to_owned() },
        range(load.calls(end..to)),
        100.0 * load.full_hours()
    )
}

fn chart(named: &Named, load: &FleetLoad) -> String {
    let seconds = named.scenario.seconds.clone();
    let values = load.calls(seconds.clone()).iter().map(|calls| f64::from(*calls) / load.mean());
    let title = format!("Calls a second: {}", named.what.replace('`', ""));
    Chart { title: &title, values: values.collect(), first: seconds.start, event: named.event(), mean: load.mean() }
        .svg()
}
