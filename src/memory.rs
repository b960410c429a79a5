//! How much memory the daemon needs. It decides what `MemoryMax=` in the unit must allow.

/// The program, the ledger's and the history's caches, and the views of a small site.
const PROGRAM: u64 = 24_000_000;
/// Registers, figures, what the guard has learned, the power of the last day, and the meter's part of the views.
const METER: u64 = 16_000;
/// The task, the link and the request in progress.
const BUS: u64 = 48_000;

/// The most memory, in bytes, that the daemon needs for so many meters on so many buses: the program, the state of each meter and bus, and
/// what is composed of them for the page, the metrics and the reports. A linear bound over measured peaks (`cargo bench --bench figures -- growth`).
pub const fn estimate(meters: usize, buses: usize) -> u64 {
    PROGRAM + METER * meters as u64 + BUS * buses as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_grows_with_meters_and_buses() {
        assert!(estimate(100, 1) < 64_000_000, "a usual site fits any box");
        assert_eq!(estimate(200, 10) - estimate(100, 10), estimate(300, 10) - estimate(200, 10));
        assert_eq!(estimate(100, 20) - estimate(100, 10), estimate(100, 30) - estimate(100, 20));
        assert!(estimate(1, 2) > estimate(1, 1) && estimate(2, 1) > estimate(1, 1));
    }
}
