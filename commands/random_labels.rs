//! `gen-commands random-labels`: trainings on true, random and partly random labels, as published.
//!
//! The default is the set for figures 1 and 2 of Zhang et al. (2017, <https://arxiv.org/abs/1611.03530>) as a reproduction of them has it,
//! 72 trainings: five networks, each at eleven levels of label corruption and with three kinds of pixel corruption, and Inception
//! with and without batch normalisation.

use clap::{ArgMatches, Args, Command, FromArgMatches};
use llc::config;
use llc::sweep::product::{self, Axis};
use llc::sweep::{Experiment, Line, Range, Setting};
use llc::words::{did_you_mean, nearest};

use crate::{Usage, registry};

const EXPERIMENT: &str = "train";
const FIGURE_1: &str = "zhang-fig1/";
const FIGURE_2: [&str; 2] = ["zhang-fig2/inception", "zhang-fig2/inception-nobn"];
const LABELS: &str = "data.label_corruption";
const PIXELS: &str = "data.pixel_corruption";
const LEVELS: [&str; 11] = ["0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1"];
const KINDS: [&str; 3] = ["shuffled", "random", "gaussian"];

/// Which trainings.
#[derive(Debug, Args)]
struct Trainings {
    /// Presets of `llc train`, or their last parts: mlp1,alexnet-small or fitting-random-labels/mlp [default: those of the figures]
    #[arg(long, value_delimiter = ',', value_name = "MODELS")]
    models: Vec<String>,
    /// Shares of the labels that are redrawn
    #[arg(long, value_delimiter = ',', value_name = "SHARES")]
    label_corruption: Vec<String>,
    /// Kinds of pixel corruption: none, shuffled, random or gaussian
    #[arg(long, value_delimiter = ',', value_name = "KINDS")]
    pixel_corruption: Vec<String>,
    /// Seeds of the trainings: 0,1,2 or 0..3 [default: the preset's, 42 in the figures]
    #[arg(long, value_name = "SEEDS")]
    seeds: Option<String>,
}

const EXAMPLES: &str = "\
Without lists of corruptions each network is trained at label corruptions 0, 0.1, … 1 with its pixels whole, then with each kind of pixel
corruption and true labels. With given lists every combination of them is a line.

A network takes minutes (mlp1) to days (wide-resnet) on two cores: select with --models, or use -- --device cuda.

Examples:
  gen-commands random-labels -o figures.txt
  gen-commands random-labels --models mlp1,mlp3 --label-corruption 0,0.5,1 --seeds 0..3
  gen-commands random-labels --models fitting-random-labels/mlp --label-corruption 0,1 -- --num-epochs 30";

/// The subcommand.
pub fn command() -> Command {
    let command = Trainings::augment_args(Command::new("random-labels"));
    let about = "Trainings on random labels and pixels; by default the 72 published ones";
    registry::generator(command.about(about).after_help(EXAMPLES))
}

/// The lines that `matches` ask for, each followed by `extra`.
pub fn lines(matches: &ArgMatches, extra: &[String]) -> anyhow::Result<Vec<String>> {
    let trainings = Trainings::from_arg_matches(matches)?;
    let train = Experiment::named(EXPERIMENT)?;
    let given = trainings.models.iter().map(|name| preset(train, name)).collect::<Result<Vec<_>, _>>()?;
    let figure_1 = || train.presets.iter().copied().filter(|name| name.starts_with(FIGURE_1)).collect();
    let has_lists = !(trainings.label_corruption.is_empty() && trainings.pixel_corruption.is_empty());
    let models: Vec<&str> = if given.is_empty() { figure_1() } else { given };
    let seeds = trainings.seed_axis(train)?;
    let mut lines = Vec::new();
    let mut add = |models: &[&str], corruptions: &[(&str, &[&str])]| -> anyhow::Result<()> {
        let mut axes = vec![Axis { settings: models.iter().map(|name| Setting::preset(name)).collect() }];
        for (path, values) in corruptions {
            axes.extend(axis(train, path, values)?);
        }
        axes.extend(seeds.clone());
        lines.extend(product::lines(&Line::new(train, extra), &axes)?);
        Ok(())
    };
    if has_lists {
        let labels: Vec<&str> = trainings.label_corruption.iter().map(String::as_str).collect();
        let pixels: Vec<&str> = trainings.pixel_corruption.iter().map(String::as_str).collect();
        add(&models, &[(LABELS, &labels), (PIXELS, &pixels)])?;
        return Ok(lines);
    }
    for model in models {
        if FIGURE_2.contains(&model) {
            add(&[model], &[])?;
        } else {
            add(&[model], &[(LABELS, &LEVELS)])?;
            add(&[model], &[(PIXELS, &KINDS)])?;
        }
    }
    if trainings.models.is_empty() {
        add(&FIGURE_2, &[])?;
    }
    Ok(lines)
}

impl Trainings {
    /// The seeds, if any were given.
    fn seed_axis(&self, train: &Experiment) -> anyhow::Result<Option<Axis>> {
        let Some(text) = &self.seeds else { return Ok(None) };
        let mut seeds = Vec::new();
        for item in text.split(',') {
            let range: Range = item.parse().map_err(|error| Usage(format!("--seeds: {error}")))?;
            if range.num_values() > product::MAX_LINES as u64 {
                return Err(Usage(format!("--seeds {item}: at most {} lines are allowed", product::MAX_LINES)).into());
            }
            seeds.extend(range.values().map(|seed| seed.to_string()));
        }
        axis(train, "seed", &seeds.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// The setting at `path` with its values in turn; nothing without values.
fn axis(train: &Experiment, path: &str, values: &[&str]) -> anyhow::Result<Option<Axis>> {
    let Some(key) = train.key(path).filter(|_| !values.is_empty()) else { return Ok(None) };
    let settings = values.iter().map(|value| Ok(Setting::new(key, &config::parse(key, value)?)));
    Ok(Some(Axis { settings: settings.collect::<anyhow::Result<_>>()? }))
}

/// The preset of that name, or of that last part.
fn preset(train: &Experiment, name: &str) -> Result<&'static str, Usage> {
    let is_it = |preset: &&&str| **preset == name || preset.rsplit('/').next() == Some(name);
    train.presets.iter().find(is_it).copied().ok_or_else(|| {
        let names = train.presets.iter().map(|preset| preset.rsplit('/').next().unwrap_or(preset));
        let hint = did_you_mean(nearest(name, names));
        Usage(format!("--models {name}: `llc train` has no such preset{hint}; it has {}", train.presets.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use llc::sweep::command_file::parse;

    use super::*;

    fn made(words: &str) -> anyhow::Result<Vec<String>> {
        lines(&command().no_binary_name(true).try_get_matches_from(words.split_whitespace())?, &[])
    }

    #[test]
    fn the_published_set_is_72_different_trainings_of_seven_networks() {
        let lines = made("").unwrap();
        let commands = parse(&lines.join("\n")).unwrap();
        let configs: Vec<_> = commands.iter().map(|command| command.fingerprint.as_ref().unwrap().config()).collect();
        let distinct: BTreeSet<String> = configs.iter().map(ToString::to_string).collect();
        assert_eq!((lines.len(), distinct.len()), (72, 72));
        let count = |is_it: &dyn Fn(&serde_json::Value) -> bool| configs.iter().filter(|config| is_it(config)).count();
        for model in ["mlp1", "mlp3", "alexnet-small", "wide-resnet"] {
            assert_eq!(count(&|config| config["model"]["name"] == model), 14, "{model}");
        }
        assert_eq!(count(&|config| config["model"]["name"] == "inception-small"), 16);
        assert_eq!(count(&|config| config["model"]["batch_norm"] == false), 1);
        assert_eq!(count(&|config| config["data"]["label_corruption"] == 1.0), 5);
        assert_eq!(count(&|config| config["data"]["pixel_corruption"] != "none"), 15);
        assert_eq!(lines[1], "llc train --preset zhang-fig1/mlp1 --label-corruption 0.1");
    }

    #[test]
    fn lists_make_their_product_and_names_may_be_short() {
        let lines = made("--models mlp1,fitting-random-labels/mlp --label-corruption 0,1 --pixel-corruption none,shuffled --seeds 0..3").unwrap();
        assert_eq!(lines.len(), 2 * 2 * 2 * 3);
        assert_eq!(
            lines[4],
            "llc train --preset zhang-fig1/mlp1 --label-corruption 0 --pixel-corruption shuffled --seed 1"
        );
        assert_eq!(made("--models wrn28-1").unwrap().len(), 14);
        assert_eq!(made("--models inception-nobn").unwrap(), ["llc train --preset zhang-fig2/inception-nobn"]);
    }

    #[test]
    fn an_unknown_network_or_corruption_is_refused_with_the_nearest() {
        let refused = |words: &str| format!("{:#}", made(words).unwrap_err());
        assert!(refused("--models alexnet-smal").contains("did you mean `alexnet-small`?"));
        assert!(refused("--pixel-corruption shufled").contains("did you mean `shuffled`?"));
        assert!(refused("--label-corruption 2").contains("give a number in [0, 1]"));
        assert!(refused("--seeds 3..1").contains("is not a range"));
    }
}
