use clap::CommandFactory;

use super::*;

#[test]
fn the_definition_of_the_command_line_is_consistent() {
    Arguments::command().debug_assert();
}

/// Calls `check` with every command and its words.
fn each(command: &clap::Command, words: &str, check: &mut impl FnMut(&clap::Command, &str)) {
    for command in command.get_subcommands() {
        let words = format!("{words} {}", command.get_name());
        check(command, &words);
        each(command, &words, check);
    }
}

#[test]
fn every_command_has_an_example_and_every_argument_a_description() {
    each(&Arguments::command(), "arkmeter", &mut |command, words| {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.contains(&format!("  {words}")), "{words}");
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{words} {}", argument.get_id());
        }
    });
}

#[test]
fn every_help_fits_80_columns() {
    let mut command = Arguments::command();
    command.build();
    each(&command, "arkmeter", &mut |command, words| {
        let help = command.clone().render_long_help().to_string();
        let wide: Vec<_> = help.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(wide.is_empty(), "{words}: {wide:#?}");
    });
}

#[test]
fn the_help_of_the_ledger_names_each_of_its_commands_once() {
    let command = Arguments::command();
    let ledger = command.find_subcommand("ledger").unwrap();
    for command in ledger.get_subcommands() {
        let line = format!("\n  {:<8}  ", command.get_name());
        assert_eq!(LEDGER_HELP.matches(&line).count(), 1, "{}", command.get_name());
    }
}
