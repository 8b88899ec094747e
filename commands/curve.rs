//! `gen-commands curve`: λ̂ over trainings, for every combination of the settings' values.
//!
//! Every setting of `llc curve` takes a list here. What a combination has no use for is left out ([`llc::sweep::product`]).

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use llc::config::{self, Kind, Value};
use llc::sweep::product::{self, Axis};
use llc::sweep::{Experiment, Line, Range, Setting};

use crate::{Usage, registry};

const EXPERIMENT: &str = "curve";
const MODEL: &str = "model.name";
const WIDTH_FACTOR: &str = "model.width_factor";
/// The published width of the default network, resnet18.
const WIDTH: u64 = 64;

/// Names that the published scripts have for flags.
const ALIASES: [(&str, &str); 3] = [("label-corruption", "label-noise"), ("weight-decay", "l2"), ("seed", "seeds")];

const EXAMPLES: &str = "\
Lists are separated by commas, 0.001,0.01; whole numbers may be a range, 0..5 for 0, 1, 2, 3 and 4. Settings that are lists
themselves (--widths) are given several times. Without --model and --width-factor the width is 64, as published.

Examples:
  gen-commands curve --optimizer sgd,adam --learning-rate 0.001,0.01 --momentum 0,0.9 --seeds 0..5
      30 lines: Adam has no momentum, so its lines appear only once.
  gen-commands curve --label-noise 0,0.25,0.5 --width-factor 8,64 -- --label-corruption-kind noise --loss-around labels --llc-labels clean
  gen-commands curve --l2 0,1e-4 --seeds 0..3 -o curves.txt -- --device cuda --train-steps 20000";

/// The subcommand.
pub fn command() -> Command {
    let command = Command::new(EXPERIMENT)
        .about("The learning coefficient over trainings: every combination of the settings' values")
        .after_help(EXAMPLES);
    let keys = keys().into_iter().map(argument);
    registry::generator(command.args(keys))
}

/// The lines that `matches` ask for, each followed by `extra`.
pub fn lines(matches: &ArgMatches, extra: &[String]) -> anyhow::Result<Vec<String>> {
    let curve = Experiment::named(EXPERIMENT)?;
    let base = Line::new(curve, extra);
    let is_named =
        matches.get_one::<String>(MODEL).is_some() || curve.key(MODEL).is_some_and(|key| !base.leaves_open(key));
    let mut axes = Vec::new();
    for key in keys() {
        let given = matches.get_many::<String>(key.path).into_iter().flatten().map(String::as_str);
        let values = given.map(|text| values(key, text)).collect::<anyhow::Result<Vec<_>>>()?.concat();
        let has_width = key.path == WIDTH_FACTOR && !is_named;
        let values = if values.is_empty() && has_width { vec![Value::Whole(WIDTH)] } else { values };
        if !values.is_empty() {
            axes.push(Axis { settings: values.iter().map(|value| Setting::new(key, value)).collect() });
        }
    }
    Ok(product::lines(&base, &axes)?)
}

/// The settings that have a flag.
fn keys() -> Vec<&'static config::Setting> {
    // There is an experiment of that name: a test makes lines of it.
    let keys = Experiment::named(EXPERIMENT).map_or(&[][..], |curve| (curve.keys)());
    keys.iter().filter(|key| !key.flag.is_empty()).collect()
}

fn argument(key: &'static config::Setting) -> Arg {
    let argument = Arg::new(key.path)
        .long(key.flag)
        .value_name(key.value_name)
        .help(key.help)
        .value_parser(ValueParser::string())
        .action(ArgAction::Append)
        .allow_negative_numbers(true);
    let argument = match ALIASES.iter().find(|(flag, _)| *flag == key.flag) {
        Some((_, alias)) => argument.visible_alias(alias),
        None => argument,
    };
    match key.kind {
        Kind::Switch => argument.num_args(0..=1).require_equals(true).default_missing_value("on"),
        _ => argument,
    }
}

/// The values in `text`.
fn values(key: &'static config::Setting, text: &str) -> anyhow::Result<Vec<Value>> {
    if matches!(key.kind, Kind::WholeList | Kind::RealList) {
        return Ok(vec![config::parse(key, text)?]);
    }
    let mut values = Vec::new();
    for item in text.split(',') {
        if item.trim().is_empty() {
            return Err(Usage(format!("--{} {text}: the list has an empty item", key.flag)).into());
        }
        match item.parse::<Range>() {
            Ok(range) if key.kind == Kind::Whole && item.contains("..") => {
                let most = product::MAX_LINES;
                if range.num_values() > most as u64 {
                    return Err(Usage(format!("--{} {item}: at most {most} lines are allowed", key.flag)).into());
                }
                values.extend(range.values().map(Value::Whole));
            }
            _ => values.push(config::parse(key, item)?),
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(words: &str) -> anyhow::Result<Vec<String>> {
        let (words, extra) = words.split_once(" -- ").unwrap_or((words, ""));
        let extra: Vec<String> = extra.split_whitespace().map(str::to_owned).collect();
        lines(&command().no_binary_name(true).try_get_matches_from(words.split_whitespace())?, &extra)
    }

    #[test]
    fn lists_make_their_product_without_momentum_beside_adam() {
        let lines = made("--optimizer sgd,adam --learning-rate 0.001,0.01 --momentum 0,0.9 --seeds 0..5").unwrap();
        assert_eq!(lines.len(), (4 + 2) * 5);
        assert_eq!(lines[1], "llc curve --width-factor 64 --optimizer sgd --learning-rate 0.001 --momentum 0 --seed 1");
        assert!(lines.iter().all(|line| !(line.contains("adam") && line.contains("momentum"))));
        let distinct: std::collections::BTreeSet<_> = lines.iter().collect();
        assert_eq!(distinct.len(), lines.len());
    }

    #[test]
    fn the_published_names_of_flags_are_known_and_the_width_is_64_unless_a_network_is_named() {
        assert_eq!(made("").unwrap(), ["llc curve --width-factor 64"]);
        assert_eq!(
            made("--label-noise 0.5 --l2 1e-4").unwrap(),
            ["llc curve --width-factor 64 --label-corruption 0.5 --weight-decay 1e-4"]
        );
        assert_eq!(made("--model mlp1 --force-realisable").unwrap(), ["llc curve --model mlp1 --force-realisable=on"]);
        assert_eq!(made("--force-realisable=on,off").unwrap().len(), 2);
        assert_eq!(made("--seed 1 -- --model mlp1").unwrap(), ["llc curve --seed 1 --model mlp1"]);
    }

    #[test]
    fn settings_that_are_lists_are_given_several_times() {
        let lines = made("--model mlp --widths 512,512 --widths 64 -- --data mnist").unwrap();
        assert_eq!(
            lines,
            ["llc curve --model mlp --widths 512,512 --data mnist", "llc curve --model mlp --widths 64 --data mnist"]
        );
    }

    #[test]
    fn what_no_curve_can_be_is_refused() {
        for words in [
            "--optimizer adam --momentum 0.9",
            "--seeds 5..5",
            "--seeds 0..2000000",
            "--learning-rate 0.1,,0.2",
            "--learning-rate fast",
            "--model resnet81",
        ] {
            assert!(made(words).is_err(), "{words}");
        }
    }
}
