//! `gen-commands dln`: random deep linear networks, as published, with a command for each.
//!
//! Line i has the seed `--seed` + i, and its network is drawn from that seed alone: by xoshiro256++ (Blackman and Vigna 2021,
//! <https://doi.org/10.1145/3460772>) out of the seed by SplitMix64, first the number of layers, then their widths, then the input's.
//! So a line doesn't depend on how many others there are, nor on the machine, and at the default ranges its network is the one of
//! `llc dln --preset 1k`. A test holds the lines to a checksum.

use clap::{ArgMatches, Args, Command, FromArgMatches};
use llc::config::Value;
use llc::config::dln::Preset;
use llc::sweep::product::MAX_LINES;
use llc::sweep::{Experiment, Line, Range, Setting};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::{Usage, registry};

/// What networks, and how many.
#[derive(Debug, Args)]
struct Networks {
    /// Number of commands
    #[arg(long, default_value_t = 100)]
    count: u64,
    /// Seed of the first line, counted up line by line. A line's seed sets its network, truth, data and draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Number of layers, drawn from 2, 3 and 4; 2..=5 would include 5
    #[arg(long, value_name = "RANGE", default_value = "2..5")]
    num_layers: Range,
    /// Width of each layer, drawn from 5, 6, … 49
    #[arg(long, value_name = "RANGE", default_value = "5..50")]
    widths: Range,
    /// Width of the input, drawn from 5, 6, … 49
    #[arg(long, value_name = "RANGE", default_value = "5..50")]
    input_dim: Range,
    /// Networks of a published group of about that many parameters, with its settings: SGLD, one chain
    #[arg(long, value_name = "1k|10k|100k|1m|10m|100m", hide_possible_values = true, value_parser = Preset::NAMES,
        conflicts_with_all = ["num_layers", "widths", "input_dim"])]
    preset: Option<String>,
}

const EXAMPLES: &str = "\
The default is the smallest published group (its networks and truths of reduced rank, n = 1e5), sampled by Gibbs in 1000 steps of four
chains and checked at a quarter of gamma: 3 to 10 seconds a line on one core, the 100 lines about six minutes on two. With --preset 1k
or 10k a line is the published SGLD and takes seconds; 100k takes a minute, and the larger ones far more: try one line first.

Examples:
  gen-commands dln --count 10 -- --sampler hmc
  gen-commands dln --num-layers 2..10 --widths 5..100 --input-dim 5..100 --seed 1000
  gen-commands dln --preset 1m --count 100 -- --device cuda";

const SAMPLER: &str = "sampler.kind";
/// Samples n of the networks drawn here, as published.
const NUM_TRAINING_DATA: u64 = 100_000;
/// Steps of Gibbs: at these nearly every estimate of the group is trusted (docs/published-dln.md).
const NUM_STEPS: u64 = 1000;
/// More layers than these are surely a slip.
const MAX_LAYERS: u64 = 1000;

/// The subcommand.
pub fn command() -> Command {
    arguments(Command::new("dln")).about("Random deep linear networks, whose coefficient is known").after_help(EXAMPLES)
}

/// `command` with the arguments of this sweep.
pub fn arguments(command: Command) -> Command {
    registry::generator(Networks::augment_args(command))
}

/// The lines that `matches` ask for, each followed by `extra`.
pub fn lines(matches: &ArgMatches, extra: &[String]) -> anyhow::Result<Vec<String>> {
    let networks = Networks::from_arg_matches(matches)?;
    networks.check()?;
    (0..networks.count).map(|index| networks.line(networks.seed + index, extra)).collect()
}

impl Networks {
    fn check(&self) -> Result<(), Usage> {
        if self.count > MAX_LINES as u64 {
            return Err(Usage(format!("--count {}: at most {MAX_LINES} lines are allowed", self.count)));
        }
        if self.seed.checked_add(self.count).is_none_or(|end| end > i64::MAX as u64) {
            return Err(Usage(format!("--seed {}: seeds must be below 2^63", self.seed)));
        }
        if self.num_layers.first == 0 || self.num_layers.last > MAX_LAYERS {
            return Err(Usage(format!("--num-layers {}: give 1 to {MAX_LAYERS} layers", self.num_layers)));
        }
        Ok(())
    }

    /// The command whose seed is `seed`.
    fn line(&self, seed: u64, extra: &[String]) -> anyhow::Result<String> {
        let dln = Experiment::named("dln")?;
        let mut line = Line::new(dln, extra);
        let mut settings = Vec::new();
        match &self.preset {
            Some(preset) => line = line.with(Setting::preset(preset)),
            None => {
                let (input_dim, layer_widths) = self.network(seed);
                settings.push(("model.input_dim", Value::Whole(input_dim)));
                settings.push(("model.layer_widths", Value::WholeList(layer_widths)));
                settings.push(("data.num_training_data", Value::Whole(NUM_TRAINING_DATA)));
                settings.push(("truth.kind", Value::Text("rand-rank".to_owned())));
                settings.push((SAMPLER, Value::Text("gibbs".to_owned())));
                settings.push(("sampler.num_steps", Value::Whole(NUM_STEPS)));
            }
        }
        settings.push(("seed", Value::Whole(seed)));
        for (path, value) in settings {
            // The number of steps was chosen for that sampler.
            let is_moot = path == "sampler.num_steps" && !line.has(SAMPLER);
            if let Some(key) = dln.key(path).filter(|_| !is_moot) {
                line = line.with(Setting::new(key, &value));
            }
        }
        Ok(line.checked()?)
    }

    /// The width of the input and of each layer.
    fn network(&self, seed: u64) -> (u64, Vec<u64>) {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut draw = |range: Range| rng.random_range(range.first..=range.last);
        let num_layers = draw(self.num_layers);
        let layer_widths = (0..num_layers).map(|_| draw(self.widths)).collect();
        (draw(self.input_dim), layer_widths)
    }
}

#[cfg(test)]
mod tests {
    use llc::sweep::command_file::parse;
    use serde_json::{Value, json};

    use super::*;

    fn made(words: &str) -> anyhow::Result<Vec<String>> {
        let (words, extra) = words.split_once(" -- ").unwrap_or((words, ""));
        let extra: Vec<String> = extra.split_whitespace().map(str::to_owned).collect();
        lines(&command().no_binary_name(true).try_get_matches_from(words.split_whitespace())?, &extra)
    }

    /// What the lines mean; each has been read back, or there would be no lines.
    fn configs(words: &str) -> Vec<Value> {
        let text = made(words).unwrap().join("\n");
        parse(&text).unwrap().iter().map(|command| command.fingerprint.as_ref().unwrap().config().clone()).collect()
    }

    fn whole(value: &Value) -> u64 {
        value.as_u64().unwrap()
    }

    fn widths(config: &Value) -> Vec<u64> {
        config["model"]["layer_widths"].as_array().unwrap().iter().map(whole).collect()
    }

    #[test]
    fn the_default_sweep_has_the_networks_and_truths_of_the_smallest_published_group() {
        let published = configs("--preset 1k");
        for (index, (ours, published)) in configs("").iter().zip(&published).enumerate() {
            for part in ["model", "data", "truth", "seed"] {
                assert_eq!(ours[part], published[part], "{part} of line {index}");
            }
            assert_eq!(ours["seed"], json!(index));
            assert_eq!((&ours["sampler"]["kind"], &published["sampler"]["kind"]), (&json!("gibbs"), &json!("sgld")));
        }
        assert_eq!(published.len(), 100);
    }

    #[test]
    fn presets_keep_to_the_published_ranges() {
        for (preset, layers, [least, end]) in [
            ("1k", 2..5, [5, 50]),
            ("10k", 2..10, [5, 100]),
            ("100k", 2..10, [50, 500]),
            ("1m", 2..20, [100, 1000]),
            ("10m", 2..20, [500, 2000]),
            ("100m", 2..40, [500, 3000]),
        ] {
            for config in configs(&format!("--preset {preset} --count 50")) {
                let (widths, input_dim) = (widths(&config), whole(&config["model"]["input_dim"]));
                assert!(layers.contains(&widths.len()), "{preset}: {} layers", widths.len());
                assert!(
                    widths.iter().chain([&input_dim]).all(|width| (least..end).contains(width)),
                    "{preset}: {widths:?}"
                );
                assert_eq!(config["sampler"]["num_chains"], 1, "{preset}");
            }
        }
    }

    #[test]
    fn networks_keep_to_the_ranges_that_are_asked_for_and_reach_their_ends() {
        let configs = configs("--num-layers 1..=3 --widths 7..9 --input-dim 4 --count 200 --seed 50");
        let layers: std::collections::BTreeSet<usize> = configs.iter().map(|config| widths(config).len()).collect();
        let all: std::collections::BTreeSet<u64> = configs.iter().flat_map(widths).collect();
        assert_eq!((layers, all), ([1, 2, 3].into(), [7, 8].into()));
        assert!(configs.iter().all(|config| config["model"]["input_dim"] == 4));
        assert_eq!((whole(&configs[0]["seed"]), whole(&configs[199]["seed"])), (50, 249));
    }

    #[test]
    fn a_line_does_not_depend_on_how_many_others_there_are() {
        let (few, many) = (made("--count 5 --seed 3").unwrap(), made("--count 50").unwrap());
        assert_eq!(few, many[3..8]);
    }

    #[test]
    fn what_stands_behind_wins_and_takes_the_steps_of_the_sampler_along() {
        let line = &made("--count 1 -- --sampler hmc --seed 9").unwrap()[0];
        assert!(line.ends_with("--truth rand-rank --sampler hmc --seed 9") && !line.contains("--num-steps"), "{line}");
        let line = &made("--count 1 -- --num-steps 50").unwrap()[0];
        assert!(line.ends_with("--sampler gibbs --seed 0 --num-steps 50"), "{line}");
        let config = &configs("--preset 10k --count 1 -- --sampler gibbs")[0];
        assert_eq!((&config["sampler"]["kind"], &config["sampler"]["num_chains"]), (&json!("gibbs"), &json!(4)));
    }

    #[test]
    fn what_makes_no_network_is_refused() {
        for words in [
            "--num-layers 0..3",
            "--num-layers 5..5",
            "--num-layers 1..100000",
            "--widths 0",
            "--count 1e9",
            "--count 2000000",
            "--seed 9223372036854775807",
            "--preset 1k --widths 5..6",
            "--preset 1kk",
            "--count 1 -- --no-such-flag",
            "--count 1 -- --gamma -1",
        ] {
            assert!(made(words).is_err(), "{words}");
        }
    }
}
