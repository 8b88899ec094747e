use super::*;
use crate::config::testing::{self, assert_examples_are_legal, assert_printed_reads_back};

fn resolved(line: &str) -> Result<ProfileConfig, ConfigError> {
    testing::resolved(line)
}

#[test]
fn a_printed_configuration_reads_back_to_an_equal_one() {
    assert_printed_reads_back::<ProfileConfig>([
        "--checkpoint x.pt",
        "--checkpoint x.pt --model resnet18 --data cifar10 --params fc.* --ladder 300,30,3 --half-width 0.05 --time 10m --sampler mala --n-beta 300",
        "--layer-widths 20,20,10 --truth aligned --rank 5 --from 100 --to 1 --rungs 5 --seed 3",
        "--input-dim 4 --along n-beta --gamma 2 --max-steps 1e5 --sampler sgld --epsilon 1e-7",
        "--potential line --sampler sgld --n-beta 50 --num-chains 3 --time 1.5h",
        "--potential regular --along n-beta --sampler gibbs --threads 3",
    ]);
}

#[test]
fn the_commands_that_help_shows_are_legal() {
    assert_examples_are_legal::<ProfileConfig>(5);
}

#[test]
fn what_is_not_legal_is_refused_with_what_to_do() {
    for (line, expected) in [
        ("", "choose what to profile"),
        ("--checkpoint x.pt --potential regular", "choose one source"),
        ("--checkpoint x.pt --layer-widths 5,5", "a trained network (--checkpoint, --module)"),
        ("--layer-widths 5,5 --data mnist", "--data"),
        ("--potential dot --rank 2", "--rank"),
        ("--potential dot --gamma 3", "--along n-beta"),
        ("--potential dot --along n-beta --n-beta 3", "--along gamma"),
        ("--potential dot --ladder 3,10", "from the largest to the smallest"),
        ("--potential dot --ladder 3,0", "--ladder"),
        ("--potential dot --ladder 3,1 --from 9", "--from"),
        ("--potential dot --from 1 --to 2", "smaller than --from"),
        ("--potential dot --half-width 1", "(0, 1)"),
        ("--potential dot --time soon", "such as 600, 90s, 10m or 2h"),
        ("--potential dot --max-steps 10", "give 2000 or more"),
        ("--potential dot --device cuda", "--device"),
        ("--potential dot --sampler sgld --gradient minibatch", "no samples"),
        ("--layer-widths 5,5 --precision bf16", "f32 or f64"),
        ("--potential dot --along n-beta --gamma auto", "give a number"),
        ("--potential crossing --along n-beta --gamma 0", "cannot be normalised"),
    ] {
        let error = resolved(line).unwrap_err().to_string();
        assert!(error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn each_source_has_its_own_sampler_and_budget_where_nothing_is_said() {
    let kind = |line: &str| resolved(line).unwrap().sampler().kernel.kind().name();
    assert_eq!(["--checkpoint x.pt", "--layer-widths 5,5", "--potential dot"].map(kind), ["sgld", "gibbs", "hmc"]);
    let budget = |line: &str| {
        let config = resolved(line).unwrap();
        (config.profile().time_s, config.profile().max_steps)
    };
    assert_eq!(budget("--potential dot"), (None, Some(64_000)));
    assert_eq!(budget("--potential dot --time 2m"), (Some(120.0), None));
    assert_eq!(budget("--potential dot --time 90 --max-steps 5000"), (Some(90.0), Some(5000)));
}
