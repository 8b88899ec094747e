//! Asserts what holds for the configuration of every experiment, for the tests of each.

use std::fmt::Debug;

use super::experiment::from_table;
use super::{ConfigError, Configuration, ExperimentArgs};

/// The configuration of a command line without the program and the subcommand.
pub(super) fn resolved<C: Configuration>(line: &str) -> Result<C, ConfigError> {
    let words = line.split_whitespace().map(|word| word.trim_matches('\''));
    let args = ExperimentArgs::<C>::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
    args.resolve().map(|checked| checked.config)
}

/// Asserts that the configuration of each of `lines` prints a file that reads back to an equal one, and that its flags make a command.
pub(super) fn assert_printed_reads_back<C>(lines: impl IntoIterator<Item = impl AsRef<str>>)
where
    C: Configuration + PartialEq + Debug,
{
    for line in lines {
        let line = line.as_ref();
        let config: C = resolved(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let text = config.to_toml();
        let again: C = from_table(&text.parse().unwrap(), config.threads())
            .unwrap_or_else(|error| panic!("{line}: {error}\n{text}"));
        assert_eq!(again, config, "{text}");
    }
    ExperimentArgs::<C>::command().debug_assert();
}

/// Asserts that the `count` commands that its help shows are legal.
pub(super) fn assert_examples_are_legal<C: Configuration>(count: usize) {
    let prefix = format!("  llc {}", C::COMMAND_LINE.name);
    let commands: Vec<&str> =
        C::COMMAND_LINE.examples.lines().filter_map(|line| line.strip_prefix(prefix.as_str())).collect();
    assert_eq!(commands.len(), count, "{commands:#?}");
    for command in commands {
        resolved::<C>(command).unwrap_or_else(|error| panic!("{command}: {error}"));
    }
}
