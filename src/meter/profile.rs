//! A meter model as data: registers, formats, units, limits.

/// STUB: the meter room's owner designs this.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// `vendor-model`.
    pub name: String,
}

/// How this meter is connected: what the installer says beyond the profile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Installation {
    /// Wired the other way: power changes sign and the exported counter is the consumption.
    pub reversed: bool,
}

/// The Modbus function that reads a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// Function 3, holding registers.
    Holding,
    /// Function 4, input registers.
    Input,
}
