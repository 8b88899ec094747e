//! `llc theory`: prints learning coefficients that are known exactly, without sampling.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use llc::config::TheoryDlnArgs;
use llc::report::theory as report;
use llc::theory::DeepLinear;
use serde_json::json;

use crate::cli::{self, Outcome};

const EXAMPLE: &str = "\
Example:
  llc theory dln --input-dim 10 --layer-widths 10,10,10 --rank 5
      λ = 46, multiplicity 3";

/// The subcommand `theory`, with a subcommand for each kind of model.
pub fn command() -> Command {
    // The text last, for augment_args would put the doc comment of `TheoryDlnArgs` instead of it.
    let dln = TheoryDlnArgs::augment_args(Command::new("dln"))
        .about(
            "Print the exact coefficient of a deep linear network from its widths and the rank of its product (Aoyagi)",
        )
        .after_help(EXAMPLE);
    Command::new("theory")
        .about("Print learning coefficients that are known exactly")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(dln)
}

/// Prints what was asked for.
pub fn run(matches: &ArgMatches, _cancel: &Arc<AtomicBool>) -> anyhow::Result<Outcome> {
    // `dln` is the only subcommand, and clap has seen to it that there is one.
    let (_, matches) = matches.subcommand().unwrap_or(("dln", matches));
    let args = TheoryDlnArgs::from_arg_matches(matches)?;
    let (widths, rank) = args.resolve()?;
    let network = DeepLinear::new(&widths, rank)?;
    let text = if args.json {
        format!("{}\n", json!(report::DeepLinear::from(&network)))
    } else {
        let known = network.learning_coefficient();
        format!("λ = {known}, multiplicity {}\n", known.multiplicity)
    };
    cli::print(&text)?;
    Ok(Outcome::Done)
}
