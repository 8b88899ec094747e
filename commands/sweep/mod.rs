//! `gen-commands sweep`: lines out of a file that says which settings are fixed, which run through a grid, and which are drawn.
//!
//! ```toml
//! experiment = "dln"
//! count = 20                                    # draws for each point of the grid
//! seed = 1                                      # of the draws
//! [fixed]
//! truth.kind = "aligned"
//! [grid]
//! sampler.kind = ["gibbs", "hmc"]
//! seed = "0..5"
//! [random]
//! model.layer_widths = { integers = "5..50", length = "2..5" }
//! sampler.gamma = { log-uniform = [0.1, 10] }
//! ```
//!
//! Draws are the same on every machine: they come from xoshiro256++, seeded by SplitMix64 out of `seed`, through `rand_distr`, whose
//! version Cargo.lock fixes; real numbers keep four digits, so that the last bit of a machine's logarithm doesn't show. Lines are drawn
//! in order, and their settings in the order of `llc EXPERIMENT --help`, however the file orders them; a larger `count` leaves the first
//! point's lines as they are. A test holds the lines to a checksum.

mod distribution;
mod file;

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use llc::sweep::product::{MAX_LINES, ProductError, Unused, combinations};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use crate::registry;
use file::Sweep;
pub use file::SweepError;

/// Which file.
#[derive(Debug, Args)]
struct Arguments {
    /// File that describes the sweep
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
}

const EXAMPLE: &str = r#"The file:
  experiment = "dln"         one of dln, train, curve, estimate, descent
  count = 20                 lines for each point of the grid, with [random]; 1 if it is left out
  seed = 1                   seed of the draws; 0 if it is left out
  [fixed]                    settings as in a file of llc --config; `preset` too
  truth.kind = "aligned"
  [grid]                     lists: every combination is a point
  sampler.kind = ["gibbs", "hmc"]
  seed = "0..5"              0, 1, 2, 3 and 4
  [random]                   drawn anew for every line
  sampler.gamma = { log-uniform = [0.1, 10] }
  sampler.beta = { uniform = [0.05, 0.15] }
  model.input_dim = { integers = "5..50" }
  model.layer_widths = { integers = "5..50", length = "2..5" }
  data.input_dist = { choice = ["uniform", "unit-ball"] }

Settings that don't apply to a line, such as a momentum with Adam, are left out."#;

/// The subcommand.
pub fn command() -> Command {
    let command = Arguments::augment_args(Command::new("sweep"));
    registry::generator(command.about("The sweep of a file: fixed settings, a grid, random draws").after_help(EXAMPLE))
}

/// The lines that `matches` ask for, each followed by `extra`.
pub fn lines(matches: &ArgMatches, extra: &[String]) -> anyhow::Result<Vec<String>> {
    let arguments = Arguments::from_arg_matches(matches)?;
    Ok(Sweep::read(&arguments.file)?.lines(extra)?)
}

impl Sweep {
    /// Every line, in order: the points of the grid, and within each its draws.
    fn lines(&self, extra: &[String]) -> Result<Vec<String>, ProductError> {
        let num_points: f64 = self.grid.iter().map(|axis| axis.settings.len() as f64).product();
        let count = num_points * self.count as f64;
        if count > MAX_LINES as f64 {
            return Err(ProductError::TooMany(count));
        }
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let (mut lines, mut seen, mut unused) = (Vec::new(), BTreeSet::new(), Unused::default());
        for point in combinations(&self.base(extra), &self.grid) {
            for _ in 0..self.count {
                let drawn = self.random.iter().map(|random| random.draw(&mut rng));
                let (line, text, reasons) = drawn.fold(point.clone(), llc::sweep::Line::with).fitted()?;
                unused.note(&line, reasons);
                // Two points of the grid may be one where a setting has been left out; two draws that are alike stay two.
                if !self.random.is_empty() || seen.insert(text.clone()) {
                    lines.push(text);
                }
            }
        }
        unused.check()?;
        Ok(lines)
    }
}

#[cfg(test)]
mod tests;
