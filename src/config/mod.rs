//! The configuration: reads its files, parses them and validates them into another type, or reports every problem with its line.

mod account;
mod address;
mod bus;
mod consistency;
mod environment;
mod joined;
mod load;
mod mask;
mod merge;
mod meter;
mod model;
mod parse;
mod parts;
mod problems;
mod profile_file;
mod profiles;
mod service;
mod shards;
mod site;
mod syntax;
mod tables;
#[cfg(test)]
mod tests;
mod token;

pub use account::DEFAULT_URL;
pub(crate) use address::is_host;
pub(crate) use bus::read as read_bus;
pub use environment::Environment;
pub use joined::SourceFile;
pub use load::{ConfigError, shown_file};
pub use mask::masked;
pub use model::{
    AccountConfig, Batch, BusConfig, ClientConfig, Config, EnergyStart, MeterConfig, SiteConfig, StateConfig,
    StatusConfig, TokenSource,
};
pub(crate) use parse::parse_with as read_document;
pub use parse::{parse, parse_files, shown_text};
pub use parts::{ConfigFiles, UnusedPart};
pub use problems::{Problem, Problems, shown_path};
pub use profile_file::{load_profiles, parse_profiles};
pub use site::RESERVED_LABELS;
pub use token::{Token, TokenError};

pub use crate::modbus::{Link, SerialSettings};
pub use crate::units::Parity;
