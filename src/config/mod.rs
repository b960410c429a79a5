//! The configuration: the file as written, then validated into another type, every problem at once with its line.

mod model;

pub use model::{
    Account, Batch, Bus, Client, Config, EnergyStart, Link, Meter, Parity, SerialLine, State, Status, TokenSource,
};
