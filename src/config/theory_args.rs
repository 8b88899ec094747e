//! Defines the command line of `llc theory dln`.

use clap::Args;

use super::dln::Truth;
use super::{ConfigError, Configuration, DlnConfig, RawConfig, dln};

/// What the command line of `llc theory dln` says.
#[derive(Debug, Clone, Args)]
pub struct TheoryDlnArgs {
    /// Width of the input
    #[arg(long, value_name = "WIDTH", default_value = "10", allow_negative_numbers = true)]
    input_dim: String,
    /// Width of each layer, the output last: 20,20,10 or '[20, 20, 10]'
    #[arg(long, value_name = "WIDTHS", required = true, num_args = 1.., allow_negative_numbers = true)]
    layer_widths: Vec<String>,
    /// Rank of the product of the layers
    #[arg(long, value_name = "RANK", allow_negative_numbers = true)]
    rank: String,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

impl TheoryDlnArgs {
    /// The widths H_0, …, H_L, the input's first, and the rank of the product; legal by the rules of `llc dln`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], as for the same flags of `llc dln`.
    pub fn resolve(&self) -> Result<(Vec<usize>, usize), ConfigError> {
        let mut raw = RawConfig::new(dln::keys());
        raw.layer_text([
            ("model.input_dim", self.input_dim.as_str()),
            ("model.layer_widths", self.layer_widths.join(" ").as_str()),
            ("truth.kind", "aligned"),
            ("truth.rank", self.rank.as_str()),
        ])?;
        let config = DlnConfig::check(&raw, 1)?.config;
        let rank = match config.truth().kind {
            Truth::Aligned { rank } => rank,
            _ => 0,
        };
        Ok((config.model().dims(), rank))
    }
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches};

    use super::*;

    fn resolve(line: &str) -> Result<(Vec<usize>, usize), ConfigError> {
        let command = TheoryDlnArgs::augment_args(Command::new("dln").no_binary_name(true));
        let matches = command.try_get_matches_from(line.split_whitespace()).unwrap();
        TheoryDlnArgs::from_arg_matches(&matches).unwrap().resolve()
    }

    #[test]
    fn widths_and_rank_are_checked_as_for_a_run() {
        assert_eq!(resolve("--input-dim 9 --layer-widths [8, 7] --rank 5").unwrap(), (vec![9, 8, 7], 5));
        assert_eq!(resolve("--layer-widths 10 --rank 0").unwrap(), (vec![10, 10], 0));
        let too_large = resolve("--layer-widths 8,7 --rank 8").unwrap_err().to_string();
        assert!(too_large.contains("cannot exceed the smallest width, 7"), "{too_large}");
        assert!(matches!(resolve("--layer-widths 8,-7 --rank 8"), Err(ConfigError::WrongKind { .. })));
    }
}
