//! Holds the six published groups of networks, from a thousand to a hundred million parameters.
//!
//! *Reference*: Lau, Furman, Wang, Murfet and Wei, "The Local Learning Coefficient: A Singularity-Aware Complexity
//! Measure" (2023), <https://arxiv.org/abs/2308.12108>, appendix E.2. The numbers are those of the runs plotted in the
//! main figure: the table of the paper has ε = 5e-8 for `1m`, the plotted runs 2e-8. They under-estimate λ, more so for
//! larger networks (most of these chains had not settled), which is why none of this is a default of ours.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::defaults;
use crate::config::{RawConfig, Value};
use crate::kernel::SamplerKind;

/// A published group: `--preset` draws one of its networks from the seed, and takes its sampler's settings.
///
/// | preset | widths | layers | n | ε | steps |
/// |---|---|---|---|---|---|
/// | 1k | 5–49 | 2–4 | 1e5 | 5e-7 | 10,000 |
/// | 10k | 5–99 | 2–9 | 1e5 | 5e-7 | 10,000 |
/// | 100k | 50–499 | 2–9 | 1e6 | 1e-7 | 50,000 |
/// | 1m | 100–999 | 2–19 | 1e6 | 2e-8 | 50,000 |
/// | 10m | 500–1999 | 2–19 | 1e6 | 2e-8 | 50,000 |
/// | 100m | 500–2999 | 2–39 | 1e6 | 2e-8 | 50,000 |
///
/// All: SGLD on minibatches of 500, γ = 1, one chain with its last tenth averaged, and truths of the kind
/// `rand-rank` with `prop_rank_reduce` 0.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Preset {
    /// About a thousand parameters.
    Thousand,
    /// About ten thousand.
    TenThousand,
    /// About a hundred thousand.
    HundredThousand,
    /// About a million.
    Million,
    /// About ten million.
    TenMillion,
    /// About a hundred million.
    HundredMillion,
}

struct Group {
    /// Least width, and the first that is too large.
    widths: [u64; 2],
    /// First number of layers that is too large; the least is 2.
    layers_end: u64,
    num_training_data: u64,
    epsilon: f64,
    num_steps: u64,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; Self::NAMES.len()] = [
        Self::Thousand,
        Self::TenThousand,
        Self::HundredThousand,
        Self::Million,
        Self::TenMillion,
        Self::HundredMillion,
    ];
    /// Their names in flags.
    pub const NAMES: [&str; 6] = ["1k", "10k", "100k", "1m", "10m", "100m"];

    /// The preset of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().zip(Self::NAMES).find(|(_, other)| *other == name).map(|(preset, _)| preset)
    }

    const BATCH_SIZE: u64 = 500;
    const GAMMA: f64 = 1.0;
    const WARMUP: f64 = 0.9;

    fn group(self) -> Group {
        let (widths, layers_end, num_training_data, epsilon, num_steps) = match self {
            Self::Thousand => ([5, 50], 5, 100_000, 5e-7, 10_000),
            Self::TenThousand => ([5, 100], 10, 100_000, 5e-7, 10_000),
            Self::HundredThousand => ([50, 500], 10, 1_000_000, 1e-7, 50_000),
            Self::Million => ([100, 1000], 20, 1_000_000, 2e-8, 50_000),
            Self::TenMillion => ([500, 2000], 20, 1_000_000, 2e-8, 50_000),
            Self::HundredMillion => ([500, 3000], 40, 1_000_000, 2e-8, 50_000),
        };
        Group { widths, layers_end, num_training_data, epsilon, num_steps }
    }

    /// Lays the group under what `raw` has: the seed decides the network, and every setting of `raw` wins.
    ///
    /// Where `raw` asks for another sampler or another truth, what the group says of its own is left out, so that the
    /// published networks can be sampled by any sampler at that sampler's defaults.
    pub(in crate::config) fn fill(self, raw: &mut RawConfig) {
        let seed = match raw.get("seed") {
            Some(Value::Whole(seed)) => *seed,
            _ => defaults::SEED,
        };
        let group = self.group();
        let (input_dim, layer_widths) = group.network(seed);
        raw.fill("model.input_dim", Value::Whole(input_dim));
        raw.fill("model.layer_widths", Value::WholeList(layer_widths));
        raw.fill("data.num_training_data", Value::Whole(group.num_training_data));
        raw.fill("sampler.gamma", Value::Real(Self::GAMMA));
        let word = |text: &str| Value::Text(text.to_owned());
        raw.fill("truth.kind", word("rand-rank"));
        if raw.get("truth.kind") == Some(&word("rand-rank")) {
            raw.fill("truth.prop_rank_reduce", Value::Real(defaults::PROP_RANK_REDUCE));
        }
        let sgld = word(SamplerKind::Sgld.name());
        raw.fill("sampler.kind", sgld.clone());
        if raw.get("sampler.kind") == Some(&sgld) {
            raw.fill("sampler.epsilon", Value::Real(group.epsilon));
            raw.fill("sampler.num_steps", Value::Whole(group.num_steps));
            raw.fill("sampler.warmup", Value::Real(Self::WARMUP));
            raw.fill("sampler.num_chains", Value::Whole(1));
            raw.fill("sampler.check_localisation", word("off"));
            if raw.get("sampler.gradient") != Some(&word("exact")) {
                raw.fill("sampler.batch_size", Value::Whole(Self::BATCH_SIZE));
            }
        }
    }
}

impl Group {
    /// The width of the input and of each layer.
    fn network(&self, seed: u64) -> (u64, Vec<u64>) {
        // A generator that is named rather than "standard": the networks must not change with a release of rand.
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let [least, end] = self.widths;
        let num_layers = rng.random_range(2..self.layers_end);
        let layer_widths = (0..num_layers).map(|_| rng.random_range(least..end)).collect();
        (rng.random_range(least..end), layer_widths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_keep_to_the_published_ranges_and_reach_their_ends() {
        for preset in Preset::ALL {
            let group = preset.group();
            let (mut widths, mut layers) = (Vec::new(), Vec::new());
            for seed in 0..4000 {
                let (input_dim, layer_widths) = group.network(seed);
                layers.push(layer_widths.len() as u64);
                widths.push(input_dim);
                widths.extend(layer_widths);
            }
            let range = |values: &[u64]| (*values.iter().min().unwrap(), *values.iter().max().unwrap());
            assert_eq!(range(&layers), (2, group.layers_end - 1));
            assert!(range(&widths).0 >= group.widths[0] && range(&widths).1 < group.widths[1]);
            // Thousands of draws leave no more than a hundredth of the range untouched at either end.
            let margin = (group.widths[1] - group.widths[0]) / 100;
            assert!(range(&widths).0 <= group.widths[0] + margin && range(&widths).1 + margin + 1 >= group.widths[1]);
        }
    }

    #[test]
    fn a_seed_s_network_never_changes() {
        let (input_dim, layer_widths) = Preset::Thousand.group().network(1);
        assert_eq!((input_dim, layer_widths.as_slice()), (31, [38, 9, 38, 13].as_slice()));
    }
}
