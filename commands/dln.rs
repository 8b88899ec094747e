//! Draws random `llc dln` commands, and checks them.

use anyhow::ensure;
use llc::config::{DlnArgs, DlnConfig};
use llc::kernel::SamplerKind;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

/// A random `llc dln` line: a small network, a truth, a sampler with settings of its own; `seed` is its seed.
///
/// No value has a space or a sign that a shell would touch.
pub fn random_line(rng: &mut impl Rng, seed: u64) -> String {
    let num_layers = rng.random_range(2..5);
    let widths: Vec<u64> = (0..num_layers).map(|_| rng.random_range(5..50)).collect();
    let input_dim = rng.random_range(5..50);
    let smallest = widths.iter().copied().fold(input_dim, u64::min);
    let widths = widths.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let mut line = format!("llc dln --input-dim {input_dim} --layer-widths {widths}");
    let n = pick(rng, &["10000", "100000", "1000000"]);
    line += &format!(" --num-training-data {n} --input-dist {}", pick(rng, &["uniform", "unit-ball"]));
    line += &random_truth(rng, smallest);
    line += &random_sampler(rng);
    line += &format!(" --gamma {} --seed {seed}", pick(rng, &["0.1", "1", "10"]));
    line
}

/// Reads a line as `llc` would.
///
/// # Errors
///
/// What `llc dln` would refuse it with.
pub fn check(line: &str) -> anyhow::Result<DlnConfig> {
    let mut words = line.split_whitespace();
    ensure!(words.next() == Some("llc") && words.next() == Some("dln"), "it does not start with `llc dln`");
    Ok(DlnArgs::try_parse_from(words)?.resolve()?.config)
}

fn random_truth(rng: &mut impl Rng, smallest_width: u64) -> String {
    match pick(rng, &["random", "zero", "rand-rank", "aligned"]) {
        "rand-rank" => format!(" --truth rand-rank --prop-rank-reduce {}", pick(rng, &["0.2", "0.5", "0.8"])),
        "aligned" => format!(" --truth aligned --rank {}", rng.random_range(0..=smallest_width)),
        truth => format!(" --truth {truth}"),
    }
}

fn random_sampler(rng: &mut impl Rng) -> String {
    match pick(rng, SamplerKind::NAMES) {
        "hmc" => format!(" --sampler hmc --leapfrog-steps {}", pick(rng, &["10", "20", "50"])),
        "sgld" => {
            let (epsilon, batch_size) = (pick(rng, &["auto", "1e-7", "5e-7"]), pick(rng, &["100", "500"]));
            format!(" --sampler sgld --epsilon {epsilon} --batch-size {batch_size}")
        }
        sampler => format!(" --sampler {sampler}"),
    }
}

/// One of `choices`, of which there is at least one.
fn pick<'a>(rng: &mut impl Rng, choices: &[&'a str]) -> &'a str {
    choices.choose(rng).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    use super::*;

    fn lines(seed: u64) -> Vec<String> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        (0..300).map(|index| random_line(&mut rng, index)).collect()
    }

    #[test]
    fn every_line_is_a_legal_command() {
        for (index, line) in (0..).zip(lines(1)) {
            let config = check(&line).unwrap_or_else(|error| panic!("{line}: {error:#}"));
            assert_eq!(config.seed(), index, "{line}");
        }
    }

    #[test]
    fn every_sampler_and_truth_turns_up() {
        let configs: Vec<_> = lines(2).iter().map(|line| check(line).unwrap()).collect();
        let samplers: BTreeSet<_> = configs.iter().map(|config| config.sampler().kernel.kind().name()).collect();
        let truths: BTreeSet<_> = configs.iter().map(|config| config.truth().kind.name()).collect();
        assert_eq!((samplers.len(), truths.len()), (SamplerKind::ALL.len(), 4));
    }

    #[test]
    fn a_seed_s_lines_are_always_the_same_and_differ_from_another_s() {
        assert_eq!(lines(3), lines(3));
        assert_ne!(lines(3), lines(4));
    }

    #[test]
    fn a_line_that_llc_would_refuse_is_refused() {
        assert!(check("llc dln --rank 11 --truth aligned").is_err());
        assert!(check("llc dln --no-such-flag 1").is_err());
        assert!(check("llc mlp").is_err());
    }
}
