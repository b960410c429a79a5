//! A fleet of boxes in simulated time: how many calls reach the endpoint in each second.
//!
//! Every box runs the reporter's own account (`crate::reporter::account`): its slots, back-off, catch-up and first reports. Only the figures
//! and the answers are simulated. What the endpoint does depends on the time and not on the load. So the boxes do not depend on each other:
//! they are simulated one after the other, and a million needs no more memory than one.

mod fleet_box;
mod load;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::ops::Range;
use std::time::Duration;

pub use load::FleetLoad;

use fleet_box::FleetBox;

/// What happens to a fleet. All times are in seconds since the simulation's beginning, which is the top of a UTC hour.
#[derive(Clone, Debug)]
pub struct FleetScenario {
    /// How many boxes there are; each reports one client.
    pub boxes: u32,
    /// Their `report_every`.
    pub every: Duration,
    /// The seconds that are simulated. Before them the boxes reported on schedule.
    pub seconds: Range<u64>,
    /// What happens.
    pub events: Vec<FleetEvent>,
    /// The clocks of the boxes are wrong by at most this, each by another amount.
    pub clock_error: Duration,
}

/// One event.
#[derive(Clone, Debug)]
pub enum FleetEvent {
    /// The endpoint does not answer as usual.
    Endpoint {
        /// When.
        during: Range<u64>,
        /// What it does instead.
        fault: EndpointFault,
        /// The share of the calls that meet it, 0 to 1.
        share: f64,
    },
    /// Boxes stop and start again.
    Restart {
        /// When they stop, and when they start again, all at the same instant.
        during: Range<u64>,
        /// The share of the boxes, 0 to 1.
        share: f64,
    },
}

/// What an endpoint does to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointFault {
    /// No connection.
    Unreachable,
    /// No answer until the box gives up after 20 s.
    Silent,
    /// HTTP 503.
    Failing,
    /// HTTP 503 with this many seconds in `Retry-After`.
    AsksToWait(u64),
    /// HTTP 503 with the end of the event as the date in `Retry-After`.
    NamesItsEnd,
    /// The usual answer after this many seconds.
    Slow(u64),
}

/// Simulates all boxes, on all processors. The same seed gives the same load.
pub fn simulate(scenario: &FleetScenario, seed: u64) -> FleetLoad {
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).try_into().unwrap_or(1u32);
    let part = |thread: u32| {
        let mut load = FleetLoad::new(scenario);
        let numbers = (thread..scenario.boxes).step_by(threads as usize);
        numbers.for_each(|number| FleetBox::new(scenario, seed, number).run(&mut load));
        load
    };
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads).map(|thread| scope.spawn(move || part(thread))).collect();
        let mut load = FleetLoad::new(scenario);
        parts.into_iter().for_each(|part| load.add(&part.join().expect("a thread of the simulation panicked")));
        load
    })
}
