//! Tests sweeps from files.

use std::collections::BTreeSet;

use llc::sweep::command_file::parse;
use serde_json::Value;

use super::file::Sweep;

fn made(text: &str) -> Result<Vec<String>, String> {
    let table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let sweep = Sweep::from_table(&table).map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
    sweep.lines(&[]).map_err(|error| format!("{:#}", anyhow::Error::from(error)))
}

const RANDOM: &str = r#"
    experiment = "dln"
    count = 40
    seed = 7
    fixed.truth.kind = "rand-rank"
    [grid]
    sampler.kind = ["gibbs", "sgld"]
    [random]
    model.layer_widths = { integers = "5..50", length = "2..5" }
    model.input_dim = { integers = "5..=50" }
    sampler.epsilon = { log-uniform = [1e-8, 1e-6] }
    sampler.gamma = { uniform = [0.5, 2] }
    data.input_dist = { choice = ["uniform", "unit-ball"] }
    seed = { integers = "0..1000000" }
"#;

#[test]
fn fixed_grid_and_random_settings_meet_on_every_line() {
    let lines = made(RANDOM).unwrap();
    assert_eq!(lines.len(), 80);
    let configs: Vec<Value> = parse(&lines.join("\n"))
        .unwrap()
        .iter()
        .map(|command| command.fingerprint.as_ref().unwrap().config().clone())
        .collect();
    let lengths: BTreeSet<usize> =
        configs.iter().map(|config| config["model"]["layer_widths"].as_array().unwrap().len()).collect();
    assert_eq!(lengths, [2, 3, 4].into());
    for (index, config) in configs.iter().enumerate() {
        let sampler = if index < 40 { "gibbs" } else { "sgld" };
        assert_eq!(
            (&config["sampler"]["kind"], &config["truth"]["kind"]),
            (&Value::from(sampler), &Value::from("rand-rank"))
        );
        assert!((0.5..=2.0).contains(&config["sampler"]["gamma"].as_f64().unwrap()));
        let epsilon = config["sampler"].get("epsilon").and_then(Value::as_f64);
        assert_eq!(
            epsilon.is_some_and(|epsilon| (1e-8..=1e-6).contains(&epsilon)),
            sampler == "sgld",
            "Gibbs has no step"
        );
    }
}

#[test]
fn the_order_of_the_file_and_the_count_do_not_change_the_draws() {
    let lines = made(RANDOM).unwrap();
    let (head, random) = RANDOM.split_once("[random]").unwrap();
    let mut reversed: Vec<&str> = random.lines().collect();
    reversed.reverse();
    assert_eq!(made(&format!("{head}[random]\n{}", reversed.join("\n"))).unwrap(), lines);
    assert_eq!(made(&RANDOM.replace("count = 40", "count = 41")).unwrap()[..40], lines[..40]);
    assert_ne!(made(&RANDOM.replace("seed = 7", "seed = 8")).unwrap(), lines);
}

#[test]
fn a_grid_is_a_product_whose_useless_settings_are_left_out_once() {
    let lines = made(
        r#"
        experiment = "train"
        fixed.preset = "zhang-fig1/mlp1"
        grid.train.optimizer = ["sgd", "adam"]
        grid.train.momentum = [0, 0.9]
        grid.seed = "0..2"
        "#,
    )
    .unwrap();
    assert_eq!(lines.len(), (2 + 1) * 2);
    assert_eq!(lines[0], "llc train --preset zhang-fig1/mlp1 --optimizer sgd --momentum 0 --seed 0");
    assert_eq!(lines[5], "llc train --preset zhang-fig1/mlp1 --optimizer adam --seed 1");
    assert_eq!(made("experiment = \"dln\"").unwrap(), ["llc dln"]);
}

#[test]
fn what_is_wrong_is_named_with_the_nearest_key() {
    for (text, said) in [
        ("experiment = \"curv\"", "did you mean `curve`?"),
        ("count = 3", "`experiment`: give one"),
        ("experiment = \"dln\"\nfix.seed = 1", "did you mean `fixed`?"),
        (
            "experiment = \"dln\"\nfixed.sampler.epsilom = 1",
            "[fixed] unknown key `sampler.epsilom`: did you mean `sampler.epsilon`?",
        ),
        ("experiment = \"dln\"\nfixed.sampler = 1", "[fixed] unknown key `sampler`"),
        ("experiment = \"dln\"\ngrid.epsilon = [1]", "[grid] unknown key `epsilon`: did you mean `sampler.epsilon`?"),
        ("experiment = \"dln\"\ngrid.seed = 1", "[grid] `seed`: give a list"),
        ("experiment = \"dln\"\ngrid.seed = []", "[grid] `seed`: the list is empty"),
        ("experiment = \"dln\"\ngrid.seed = \"5..5\"", "[grid] `seed`: `5..5` is not a range"),
        ("experiment = \"dln\"\ngrid.sampler.kind = [\"gibs\"]", "did you mean `gibbs`?"),
        ("experiment = \"dln\"\nfixed.preset = \"1 k\"", "[fixed] `preset`: \"1 k\" is not one of 1k, 10k"),
        ("experiment = \"dln\"\nfixed.seed = 1\ngrid.seed = [2]", "[grid] `seed` is in [fixed] too"),
        ("experiment = \"dln\"\nrandom.seed = 1", "[random] `seed`: give a law"),
        ("experiment = \"dln\"\nrandom.sampler.gamma = { unifrom = [1, 2] }", "did you mean `uniform`?"),
        ("experiment = \"dln\"\nrandom.sampler.gamma = { uniform = [2, 1] }", "the smaller first"),
        ("experiment = \"dln\"\nrandom.sampler.gamma = { log-uniform = [0, 1] }", "two numbers above 0"),
        ("experiment = \"dln\"\nrandom.seed = { uniform = [0, 9] }", "`seed`: it is a whole number: use integers"),
        (
            "experiment = \"dln\"\nrandom.truth.kind = { uniform = [0, 9] }",
            "`truth.kind`: it is not a number: use a choice",
        ),
        ("experiment = \"dln\"\nrandom.model.layer_widths = { integers = \"5..9\" }", "give its length"),
        ("experiment = \"dln\"\nrandom.seed = { integers = \"5..9\", length = 3 }", "leave length out"),
        ("experiment = \"dln\"\ncount = 3\nfixed.seed = 1", "`count`: without [random]"),
        ("experiment = \"dln\"\nfixed.sampler.gamma = -1", "llc would reject `llc dln --gamma -1`"),
        ("experiment = \"dln\"\nfixed.sampler.epsilon = 1e-7", "--epsilon (sampler.epsilon) is used by"),
        ("experiment = \"dln\"\ngrid.seed = \"0..2000\"\ngrid.truth.seed = \"0..2000\"", "4e6 lines"),
    ] {
        let error = made(text).unwrap_err();
        assert!(error.contains(said), "{text}\n{error}");
    }
}
