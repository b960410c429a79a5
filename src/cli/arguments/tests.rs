use clap::CommandFactory;

use super::*;

#[test]
fn the_definition_of_the_command_line_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn every_command_has_an_example() {
    for command in Arguments::command().get_subcommands() {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.contains(&format!("  arkmeter {}", command.get_name())), "{}", command.get_name());
    }
}
