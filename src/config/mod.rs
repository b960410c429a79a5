//! The configuration: parses the file and validates it into another type, or reports every problem with its line.

mod account;
mod address;
mod bus;
mod consistency;
mod environment;
mod load;
mod mask;
mod meter;
mod model;
mod parse;
mod problems;
mod profile_file;
mod profiles;
mod service;
mod syntax;
mod tables;
#[cfg(test)]
mod tests;
mod token;

pub(crate) use bus::read as read_bus;
pub use environment::Environment;
pub use load::{ConfigError, shown_file};
pub use mask::masked;
pub use model::{
    AccountConfig, Batch, BusConfig, ClientConfig, Config, EnergyStart, MeterConfig, StateConfig, StatusConfig,
    TokenSource,
};
pub(crate) use parse::parse_with as read_document;
pub use parse::{parse, shown_text};
pub use problems::{Problem, Problems, shown_path};
pub use profile_file::{load_profiles, parse_profiles};
pub use token::{Token, TokenError};

pub use crate::modbus::{Link, SerialSettings};
pub use crate::units::Parity;
