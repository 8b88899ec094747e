//! Lists the subcommands of `gen-commands`: adding one takes a file and a row here.

use std::process::ExitCode;

use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::output::Output;
use crate::{curve, dln, random_labels, run, sweep};

/// One subcommand.
pub struct Subcommand {
    /// Its command line.
    pub command: fn() -> Command,
    /// Does it.
    pub run: fn(&ArgMatches) -> anyhow::Result<ExitCode>,
}

/// Every subcommand, in the order of `gen-commands help`.
pub const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand { command: dln::command, run: |matches| print(matches, dln::lines) },
    Subcommand { command: curve::command, run: |matches| print(matches, curve::lines) },
    Subcommand { command: random_labels::command, run: |matches| print(matches, random_labels::lines) },
    Subcommand { command: sweep::command, run: |matches| print(matches, sweep::lines) },
    Subcommand { command: run::command, run: run::run },
];

const EXAMPLES: &str = "\
Examples:
  gen-commands > COMMANDS.txt
      The default sweep: 100 random deep linear networks, one for each task of the array of slurm/job.slurm.
  gen-commands dln --preset 10k --count 20 -- --sampler gibbs
      Flags after -- are added to every line, and override the line's own.
  gen-commands run COMMANDS.txt --jobs 2
      Runs the lines here. So do bash COMMANDS.txt, xargs -L 1 -P 2 env < COMMANDS.txt and parallel -j 2 < COMMANDS.txt.
  llc-analysis runs missing COMMANDS.txt -F runs
      Which lines have no completed run yet.";

/// The whole command line. Without a subcommand it is that of `dln`.
pub fn command() -> Command {
    let command = Command::new("gen-commands").args_conflicts_with_subcommands(true);
    dln::arguments(command)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Print sweeps of llc commands, one checked command a line; without a subcommand, the default sweep")
        .after_help(EXAMPLES)
        .subcommands(SUBCOMMANDS.iter().map(|subcommand| (subcommand.command)()))
}

/// Does what `matches` say.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let Some((name, inner)) = matches.subcommand() else { return print(matches, dln::lines) };
    let found = SUBCOMMANDS.iter().find(|subcommand| (subcommand.command)().get_name() == name);
    found.map_or(Ok(ExitCode::FAILURE), |subcommand| (subcommand.run)(inner))
}

/// Prints the lines that a generator makes.
fn print(
    matches: &ArgMatches,
    lines: fn(&ArgMatches, &[String]) -> anyhow::Result<Vec<String>>,
) -> anyhow::Result<ExitCode> {
    let output = Output::from_arg_matches(matches)?;
    output.check()?;
    output.write(&lines(matches, &output.extra)?)?;
    Ok(ExitCode::SUCCESS)
}

/// `command` with what all generators share: where lines go, and what is put on each of them.
pub fn generator(command: Command) -> Command {
    let about = command.get_about().cloned();
    // Again, for augment_args puts the doc comment of `Output` instead of it.
    Output::augment_args(command).about(about.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
