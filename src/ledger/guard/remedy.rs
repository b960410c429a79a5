//! What is known of a meter beyond its figure: for the operator who judges what the guard decided.

use super::state::MeterState;

impl MeterState {
    /// The serial number of the meter that counts now, as far as it was read. Another's text: not to be shown as it is.
    pub fn serial(&self) -> Option<&str> {
        self.serial.as_deref()
    }

    /// What the counter alone would say (register + offset, in mWh): below the published figure after a correction, until it catches up.
    /// Absent where there is no counter.
    pub fn counted(&self) -> Option<i64> {
        self.taken.map(|_| self.figure())
    }
}
