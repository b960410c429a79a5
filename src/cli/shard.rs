//! `arkmeter shard`, and the numbers that tell a process which shard it is.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use clap::{Args, Subcommand};

use super::arguments::CliCommand;
use super::ledger::exit_code_of;
use super::output::{finish_output, print_error};
use super::{context, exit};
use crate::config::{Config, Environment};
use crate::daemon::settings;
use crate::ledger::store;
use crate::ledger::store::resize::{PlacedClient, ResizeError, ResizePlan};
use crate::shard::{BusGroup, GivenNumber, Layout, ShardNumbers, Sharding};
use crate::text::chain;

/// Which shard of several; without them a process has the whole configuration.
#[derive(Debug, Args)]
#[command(next_help_heading = "Shards")]
pub(super) struct ShardArguments {
    /// How many shards there are [env: ARKMETER_SHARDS]
    #[arg(long, global = true, hide_short_help = true, value_name = "COUNT")]
    shards: Option<String>,
    /// Which of them, from 1 [env: ARKMETER_SHARD]
    #[arg(long, global = true, hide_short_help = true, value_name = "NUMBER")]
    shard: Option<String>,
    /// Which of them, from 0 [env: ARKMETER_SHARD_INDEX]
    #[arg(long, global = true, hide_short_help = true, value_name = "INDEX", conflicts_with = "shard")]
    shard_index: Option<String>,
}

/// A command for all shards.
#[derive(Debug, Subcommand)]
pub(super) enum ShardCommand {
    /// Begin the ledgers of all shards, or of one, before their first start
    #[command(after_help = "\
Examples:
  arkmeter shard init --shards 4
  arkmeter shard init --shards 4 --shard 2

A shard begins no ledger by itself: an empty folder may be a volume that is \
not mounted. Ledgers that are there stay as they are.")]
    Init,
    /// Change the number of shards, while all of them are stopped: move figures, memory, journal and history
    #[command(after_help = "\
Examples:
  arkmeter shard resize --from 4 --to 6
  arkmeter shard resize --from none --to 4   split the ledger of one daemon
  arkmeter shard resize --from 4 --to 4      after a bus was pinned or renamed

All state folders must be mounted below [state] path. If it is interrupted, \
the same command completes it; no shard starts before. The old files stay as \
before-resize-... in each folder.")]
    Resize {
        /// The present number of shards, or `none`
        #[arg(long, value_name = "COUNT")]
        from: Layout,
        /// The new number of shards, or `none`
        #[arg(long, value_name = "COUNT")]
        to: Layout,
    },
}

impl ShardArguments {
    /// The environment of the command, or the exit code after a message.
    pub(super) fn environment(&self, command: &CliCommand) -> Result<Environment, u8> {
        let sharding = match command {
            // They have nothing to do with the daemon of this configuration.
            CliCommand::Demo { .. } | CliCommand::Profiles { .. } | CliCommand::Setup { .. } => None,
            _ => self.numbers().sharding().map_err(|error| usage(&error.to_string()))?,
        };
        let for_all =
            matches!(command, CliCommand::Check { .. } | CliCommand::Shard { .. } | CliCommand::Replay { .. });
        match sharding {
            Some(Sharding::All(count)) if !for_all => Err(usage(&format!(
                "there are {count} shards, and which one is meant is not said: set ARKMETER_SHARD (1 to {count}) or ARKMETER_SHARD_INDEX (0 \
                 to {}), or add --shard",
                count.get() - 1
            ))),
            sharding => Ok(Environment { sharding, ..Environment::of_process() }),
        }
    }

    /// An option overrides its variable; that of the number also that of the index, and the other way round.
    fn numbers(&self) -> ShardNumbers {
        let option = |name, text: &Option<String>| text.clone().map(|text| GivenNumber { name, text });
        let variable = |name| {
            let text = std::env::var_os(name)?.to_string_lossy().into_owned();
            Some(GivenNumber { name, text })
        };
        let shards = option("--shards", &self.shards).or_else(|| variable("ARKMETER_SHARDS"));
        let (shard, index) = (option("--shard", &self.shard), option("--shard-index", &self.shard_index));
        match (shard, index) {
            (None, None) => {
                ShardNumbers { shards, shard: variable("ARKMETER_SHARD"), index: variable("ARKMETER_SHARD_INDEX") }
            }
            (shard, index) => ShardNumbers { shards, shard, index },
        }
    }
}

fn usage(message: &str) -> u8 {
    print_error(message);
    exit::USAGE
}

/// Runs one of them; returns the exit code.
pub(super) fn run(path: &Path, environment: &Environment, command: &ShardCommand) -> u8 {
    // The folder above those of the shards.
    let whole = Environment { sharding: None, ..environment.clone() };
    match (command, environment.sharding) {
        (ShardCommand::Init, None) => {
            usage("how many shards there are is not said: add --shards, or set ARKMETER_SHARDS")
        }
        (ShardCommand::Init, Some(sharding)) => init(&context::locations(path, &whole).0, sharding),
        (ShardCommand::Resize { from, to }, _) => {
            let sharding = match to {
                Layout::Whole => None,
                Layout::Shards(count) => Some(Sharding::All(*count)),
            };
            context::with_config(path, &Environment { sharding, ..whole }, |config| resize(config, *from, *to))
        }
    }
}

fn resize(config: &Config, from: Layout, to: Layout) -> u8 {
    let done = match store::resize::resize(&plan(config, from, to)) {
        Ok(done) => done,
        Err(error) => {
            print_error(&chain(&error));
            return match error {
                ResizeError::Open(error) => exit_code_of(&error),
                ResizeError::Damaged { .. } | ResizeError::Lost { .. } => exit::DAMAGED,
                _ => exit::FAILED,
            };
        }
    };
    done.notes.iter().for_each(|note| print_error(note));
    let mut out = io::stdout().lock();
    let verdict = match (done.changed, to) {
        (false, _) => "nothing was to be moved".to_owned(),
        (true, Layout::Whole) => "the ledger is complete: arkmeter can start without shards".to_owned(),
        (true, Layout::Shards(count)) => {
            format!("the ledgers are complete: the shards can start, each with {count} as their number")
        }
    };
    let lines = done.ledgers.iter().map(|(place, meters, clients)| {
        format!("{place}: {meters} meters and {clients} clients in {}", place.folder.display())
    });
    finish_output(lines.chain([verdict]).try_for_each(|line| writeln!(out, "{line}")))
}

/// Where the configuration has each meter and client.
fn plan(config: &Config, from: Layout, to: Layout) -> ResizePlan {
    let groups = match to {
        Layout::Whole => Vec::new(),
        // The configuration was checked for this number.
        Layout::Shards(count) => config.assignment(count).map(|assignment| assignment.groups).unwrap_or_default(),
    };
    let place = |group: &BusGroup| usize::from(group.shard.number() - 1);
    let buses: BTreeMap<_, _> =
        groups.iter().flat_map(|group| group.buses.iter().map(move |bus| (bus, place(group)))).collect();
    let meters: BTreeMap<_, _> = config
        .meters
        .values()
        .map(|meter| (meter.name.clone(), buses.get(&meter.bus).copied().unwrap_or_default()))
        .collect();
    let clients = settings::of_ledger(config).clients.into_iter().map(|client| {
        let place = client.meters.first().and_then(|meter| meters.get(meter)).copied().unwrap_or_default();
        (client.key, PlacedClient { name: client.name, place, meters: client.meters })
    });
    let clients = clients.collect();
    ResizePlan { state: config.state.path.clone(), from, to, meters, clients }
}

fn init(state: &Path, sharding: Sharding) -> u8 {
    let ledgers = match store::begin_shards(state, sharding) {
        Ok(ledgers) => ledgers,
        Err(error) => {
            print_error(&chain(&error));
            return exit_code_of(&error);
        }
    };
    let mut out = io::stdout().lock();
    let mut lines = ledgers.iter().map(|ledger| {
        let done = if ledger.begun { "began an empty ledger in" } else { "has a ledger already in" };
        format!("shard {} {done} {}", ledger.shard, ledger.folder.display())
    });
    finish_output(lines.try_for_each(|line| writeln!(out, "{line}")))
}
