//! Configures `llc toy`: potentials of one to three parameters whose λ, and whose λ̂ at finite n, are known.
//!
//! The tables are `toy` and `run`. Step sizes are searched, for an acceptance of 0.9, and gradients exact, so that what remains to be seen
//! is the potential.

use std::sync::LazyLock;

use serde::Serialize;

use super::experiment::{CommandLine, Configuration};
use super::run::Work;
use super::sampler::check::Subject;
use super::sampler::{self, ConfigWarning, ExtrapolateStep, Gamma, LossTrace, SamplerConfig, SamplerDefaults, Switch};
use super::{ConfigError, Kind, PositiveF64, RawConfig, RunConfig, Setting, Value, run};
use crate::kernel::{GradientNeed, SamplerKind};
use crate::theory::Toy;
use crate::words::nearest;

const EXAMPLES: &str = "\
Examples:
  llc toy
      Every potential by every applicable sampler, in about a second, against the exact values.
  llc toy --potentials crossing --samplers gibbs --n 1e3,1e5,1e7,1e9
      With multiplicity 2, λ̂ reaches λ = 1/2 only slowly.
  llc toy --potentials line,dot --samplers hmc --gamma 1
      A localisation that is too weak: the line's region includes the dot, but chains don't cross.
  llc-analysis figures toy toy-against-n -F runs
      Figures of these runs.

Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 diverged, 75 interrupted.";

const HEADINGS: [(&str, &str); 2] = [("toy.", "The potentials and the chains"), ("", "The run")];

/// Samples n: nβ = n/ln n is 1085.7.
const N: u64 = 10_000;
const SEED: u64 = 0;
/// What each estimate is drawn by, but for its kernel and length.
const SAMPLER: SamplerDefaults = SamplerDefaults {
    kind: SamplerKind::Sgld,
    num_steps: None,
    warmup: None,
    batch_size: 1,
    num_chains: NUM_CHAINS,
    minibatch_trace: LossTrace::Full,
    // γ is part of the exact value that λ̂ is compared with.
    check_localisation: Switch::Off,
    gamma: Gamma::Fixed(sampler::defaults::GAMMA),
    extrapolate_step: ExtrapolateStep::Off,
};
const NUM_CHAINS: usize = 4;
const WARMUP: f64 = 0.2;
/// SGLD's step size as a share of the one at which MALA accepts [`ACCEPTANCE`] of its moves. In two dimensions that one is so large that λ̂
/// of a square comes out 22 % too large; at an eighth of it it is 2 %.
const SGLD_STEP: PositiveF64 = PositiveF64::literal(0.125);
/// Leapfrog steps of a trajectory, on average: with three parameters at most a few go around a valley.
const LEAPFROG_STEPS: u64 = 5;
/// What searches of a step size aim at: higher than where chains are fastest, since a loss that is steeper than a square holds a chain whose
/// step is large out of its tails.
const ACCEPTANCE: f64 = 0.9;

/// A legal configuration of `llc toy`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToyConfig {
    experiment: &'static str,
    seed: u64,
    toy: ToySection,
    #[serde(serialize_with = "threads_alone")]
    run: RunConfig,
    /// What each sampler is; follows from the rest.
    #[serde(skip)]
    samplers: Vec<SamplerConfig>,
}

/// The potentials and the chains, in files the table `toy`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ToySection {
    /// The potentials.
    #[serde(serialize_with = "names")]
    pub potentials: Vec<Toy>,
    /// The samplers.
    #[serde(serialize_with = "names")]
    pub samplers: Vec<SamplerKind>,
    /// Samples n, each at least 3, where nβ is n/ln n.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<Vec<u64>>,
    /// nβ themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_beta: Option<Vec<f64>>,
    /// γ of every potential; each has one of its own where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gamma: Option<f64>,
    /// Steps of a chain, warm-up included; each sampler has its own number where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_steps: Option<usize>,
    /// Share of a chain that is warm-up.
    pub warmup: f64,
    /// Chains of each estimate.
    pub num_chains: usize,
    /// SGLD's step size as a share of that at which MALA accepts nine of ten moves, where MALA runs too.
    pub sgld_step: PositiveF64,
}

/// What of the run can be set here.
fn threads_alone<S: serde::Serializer>(run: &RunConfig, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map([("threads", run.threads)])
}

/// Something that has a name on the command line.
trait Named {
    fn name(&self) -> &'static str;
}

impl Named for Toy {
    fn name(&self) -> &'static str {
        Toy::name(*self)
    }
}

impl Named for SamplerKind {
    fn name(&self) -> &'static str {
        SamplerKind::name(*self)
    }
}

/// A list of names as the command line takes it.
fn names<S: serde::Serializer>(list: &[impl Named], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&list.iter().map(Named::name).collect::<Vec<_>>().join(","))
}

/// Steps of a chain of `kind` where none are given: SGLD's are short ones.
fn num_steps(kind: SamplerKind) -> usize {
    match kind.about().gradient {
        GradientNeed::Minibatch => 5_000,
        _ => 2_000,
    }
}

impl ToyConfig {
    /// The name of the experiment, in files and records.
    pub const EXPERIMENT: &'static str = "toy";

    /// Seed of everything random, below 2⁶³.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The potentials and the chains.
    pub fn toy(&self) -> &ToySection {
        &self.toy
    }

    /// What each sampler is, at γ = 1: a potential's own γ is its target's.
    pub fn samplers(&self) -> &[SamplerConfig] {
        &self.samplers
    }

    /// n, if it was not nβ that was given, and nβ of every round.
    pub fn rounds(&self) -> Vec<(Option<u64>, f64)> {
        let of_n = |&n: &u64| (Some(n), n as f64 / (n as f64).ln());
        match (&self.toy.n_beta, &self.toy.n) {
            (Some(n_beta), _) => n_beta.iter().map(|&n_beta| (None, n_beta)).collect(),
            (None, n) => n.iter().flatten().map(of_n).collect(),
        }
    }

    /// γ around `toy`.
    pub fn gamma(&self, toy: Toy) -> f64 {
        self.toy.gamma.unwrap_or_else(|| toy.default_gamma())
    }

    /// Threads.
    pub fn run(&self) -> &RunConfig {
        &self.run
    }
}

impl Configuration for ToyConfig {
    const COMMAND_LINE: CommandLine = CommandLine {
        name: Self::EXPERIMENT,
        about: "Compare λ̂ of small potentials, by every sampler, with values that are known exactly",
        examples: EXAMPLES,
        headings: &HEADINGS,
        ..CommandLine::WITHOUT_PRESETS
    };

    fn keys() -> &'static [Setting] {
        static KEYS: LazyLock<Vec<Setting>> =
            LazyLock::new(|| {
                let all = SamplerKind::NAMES.join(",");
                let steps = SamplerKind::ALL.map(|kind| format!("{} {}", kind.name(), num_steps(kind))).join(", ");
                let text = sampler::keys::text;
                vec![
                Setting::new("experiment", "", Kind::Choice(&[ToyConfig::EXPERIMENT]), "", ""),
                Setting::new(
                    "toy.potentials",
                    "potentials",
                    Kind::Text,
                    "NAMES",
                    text(format!("Potentials, from {} [default: all]", Toy::NAMES.join(","))),
                ),
                Setting::new(
                    "toy.samplers",
                    "samplers",
                    Kind::Text,
                    "NAMES",
                    text(format!(
                        "Samplers, from {all}; gibbs applies if every coordinate is normal given the others [default: \
                         all]"
                    )),
                ),
                Setting::new(
                    "toy.n",
                    "n",
                    Kind::WholeList,
                    "N",
                    "Numbers of samples n, one or more: 1e3,1e5; n_beta is n/ln n, the loss is exact [default: 1e4]",
                ),
                Setting::new("toy.n_beta", "n-beta", Kind::RealList, "N_BETA", "n times beta, one or more, instead of \
                    --n"),
                Setting::new(
                    "toy.gamma",
                    "gamma",
                    Kind::Real,
                    "GAMMA",
                    text(format!(
                        "Localisation of every potential [default: {}, but line {} and dot {}, to keep them apart]",
                        Toy::Regular.default_gamma(),
                        Toy::Line.default_gamma(),
                        Toy::Dot.default_gamma()
                    )),
                ),
                Setting::new(
                    "toy.num_steps",
                    "num-steps",
                    Kind::Whole,
                    "STEPS",
                    text(format!("Steps of a chain, warm-up included [default: {steps}]")),
                ),
                Setting::new(
                    "toy.warmup",
                    "warmup",
                    Kind::Real,
                    "SHARE",
                    text(format!("Leading share of the draws that is not averaged, in [0, 1) [default: {WARMUP}]")),
                ),
                Setting::new(
                    "toy.num_chains",
                    "num-chains",
                    Kind::Whole,
                    "CHAINS",
                    text(format!("Chains of each estimate [default: {NUM_CHAINS}]")),
                ),
                Setting::new(
                    "toy.sgld_step",
                    "sgld-step",
                    Kind::Real,
                    "SHARE",
                    text(format!(
                        "sgld: its step size as a share of the one at which mala accepts nine of ten moves, if mala \
                         runs too; 1 is usual for large networks, but biased here [default: {}]",
                        SGLD_STEP.get()
                    )),
                ),
                Setting::new("seed", "seed", Kind::Whole, "SEED", "Seed of everything random [default: 0]"),
            ]
            .into_iter()
            .chain(run::keys().into_iter().filter(|key| key.path == "run.threads"))
            .collect()
            });
        &KEYS
    }

    fn build(raw: &RawConfig, threads: usize) -> Result<Self, ConfigError> {
        let potentials = list(raw, "toy.potentials", &Toy::NAMES, Toy::from_name)?.unwrap_or(Toy::ALL.to_vec());
        let kinds = list(raw, "toy.samplers", SamplerKind::NAMES, SamplerKind::from_name)?;
        let mut kinds = kinds.unwrap_or(SamplerKind::ALL.to_vec());
        // In one order however they are given: SGLD's step size follows from what MALA finds before it.
        kinds.sort_by_key(|&kind| (kind == SamplerKind::Sgld, kind.name()));
        let n = match raw.get("toy.n") {
            Some(Value::WholeList(n)) => Some(n.clone()),
            _ => None,
        };
        let n_beta = match raw.get("toy.n_beta") {
            Some(Value::RealList(n_beta)) => Some(n_beta.clone()),
            _ => None,
        };
        // 1/ln n is infinite at n = 1 and above 1 at n = 2.
        if let Some(&found) = n.iter().flatten().find(|&&n| n < 3) {
            return Err(ConfigError::TooSmall { key: raw.key("toy.n")?, found, minimum: 3 });
        }
        if let Some(&found) = n_beta.iter().flatten().find(|&&n_beta| !(n_beta.is_finite() && n_beta > 0.0)) {
            return Err(ConfigError::NotPositive { key: raw.key("toy.n_beta")?, found });
        }
        for (path, is_empty) in [
            ("toy.n", n.as_ref().is_some_and(Vec::is_empty)),
            ("toy.n_beta", n_beta.as_ref().is_some_and(Vec::is_empty)),
        ] {
            if is_empty {
                return Err(ConfigError::EmptyItem { key: raw.key(path)?, found: String::new() });
            }
        }
        let gamma = raw.non_negative("toy.gamma")?;
        if let Some(toy) = potentials.iter().find(|toy| gamma == Some(0.0) && toy.needs_gamma()) {
            let reason = format!(
                "without localisation the density of {0} cannot be normalised: give a gamma above 0, or leave {0} out",
                toy.name()
            );
            return Err(ConfigError::Refused { key: raw.key("toy.gamma")?, reason });
        }
        let toy = ToySection {
            potentials,
            samplers: kinds,
            n: n.or_else(|| n_beta.is_none().then(|| vec![N])),
            n_beta,
            gamma,
            num_steps: raw.count("toy.num_steps", 1)?,
            warmup: raw.within("toy.warmup", "[0, 1)", |share| (0.0..1.0).contains(&share))?.unwrap_or(WARMUP),
            num_chains: raw.count_to("toy.num_chains", sampler::defaults::MAX_CHAINS)?.unwrap_or(NUM_CHAINS),
            sgld_step: raw.positive("toy.sgld_step")?.unwrap_or(SGLD_STEP),
        };
        let samplers = toy.samplers.iter().map(|&kind| sampler_of(kind, &toy, raw)).collect::<Result<_, _>>()?;
        let run = run::check(raw, Work::DeepLinear { num_parameters: 1 }, SamplerKind::Sgld, threads)?;
        Ok(Self { experiment: Self::EXPERIMENT, seed: raw.whole("seed").unwrap_or(SEED), toy, run, samplers })
    }

    fn warnings(&self, _: &RawConfig) -> Vec<ConfigWarning> {
        Vec::new()
    }

    fn remark(&self) -> String {
        format!("{} potentials, {} samplers", self.toy.potentials.len(), self.toy.samplers.len())
    }

    fn threads(&self) -> usize {
        self.run.threads
    }
}

/// The names at `path`, each once; `None` where nothing is said.
fn list<T>(
    raw: &RawConfig,
    path: &str,
    choices: &'static [&'static str],
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<Vec<T>>, ConfigError> {
    let Some(text) = raw.word(path) else { return Ok(None) };
    let key = raw.key(path)?;
    let mut found: Vec<&str> = Vec::new();
    for name in text.split(',').map(str::trim) {
        if name.is_empty() {
            return Err(ConfigError::EmptyItem { key, found: text.to_owned() });
        }
        if !found.contains(&name) {
            found.push(name);
        }
    }
    let item = |name: &str| {
        read(name).ok_or_else(|| ConfigError::UnknownChoice {
            key,
            found: name.to_owned(),
            choices,
            nearest: nearest(name, choices.iter().copied()),
        })
    };
    found.into_iter().map(item).collect::<Result<_, _>>().map(Some)
}

/// The sampler `kind` at the lengths of `toy`.
fn sampler_of(kind: SamplerKind, toy: &ToySection, raw: &RawConfig) -> Result<SamplerConfig, ConfigError> {
    let num_steps = toy.num_steps.unwrap_or_else(|| num_steps(kind));
    let mut settings = vec![
        ("sampler.num_steps", Value::Whole(num_steps as u64)),
        ("sampler.warmup", Value::Real(toy.warmup)),
        ("sampler.num_chains", Value::Whole(toy.num_chains as u64)),
    ];
    if kind.about().takes("sampler.leapfrog_steps") {
        settings.push(("sampler.leapfrog_steps", Value::Whole(LEAPFROG_STEPS)));
    }
    if kind.about().target_acceptance.is_some() {
        settings.push(("sampler.target_acceptance", Value::Real(ACCEPTANCE)));
    }
    if kind.about().gradient == GradientNeed::Minibatch {
        settings.push(("sampler.gradient", Value::Text("exact".to_owned())));
    }
    let subject = Subject { num_samples: None, num_tensors: Some(1) };
    // What can be wrong are the lengths, which have a key here of another name.
    sampler::check::of_kind(kind, &settings, &SAMPLER, subject).map_err(|error| match error {
        ConfigError::TooFewDraws { num_steps, kept, needed, enough, .. } => match raw.key("toy.num_steps") {
            Ok(key) => ConfigError::TooFewDraws { key, num_steps, kept, needed, enough },
            Err(error) => error,
        },
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{self, assert_examples_are_legal, assert_printed_reads_back};

    fn resolved(line: &str) -> Result<ToyConfig, ConfigError> {
        testing::resolved(line)
    }

    #[test]
    fn a_printed_configuration_reads_back_to_an_equal_one() {
        assert_printed_reads_back::<ToyConfig>([
            "",
            "--potentials crossing,dot --samplers gibbs,hmc --n 1e3,1e5 --gamma 2 --num-steps 70 --sgld-step 1 --seed 3",
            "--n-beta 10,20.5",
        ]);
    }

    #[test]
    fn what_is_not_legal_is_refused_with_what_to_do() {
        for (line, expected) in [
            ("--potentials crosing", "did you mean `crossing`?"),
            ("--samplers nuts", "`nuts` is not one of"),
            ("--potentials crossing,,dot", "toy.potentials"),
            ("--gamma 0", "without localisation the density of crossing cannot be normalised"),
            ("--n 1e3 --n-beta 10", "--n"),
            ("--n 2", "--n"),
            ("--num-steps 3", "--num-steps (toy.num_steps)"),
        ] {
            let error = resolved(line).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
        assert!(resolved("--gamma 0 --potentials regular,even-powers").is_ok());
    }

    #[test]
    fn the_commands_that_help_shows_are_legal() {
        assert_examples_are_legal::<ToyConfig>(3);
    }

    #[test]
    fn every_sampler_of_the_registry_is_there_on_exact_gradients() {
        let config = resolved("").unwrap();
        assert_eq!(config.samplers().len(), SamplerKind::ALL.len());
        assert!(config.samplers().iter().all(|sampler| sampler.kernel.batch_size().is_none()));
        assert_eq!(config.rounds(), [(Some(10_000), 1e4 / 1e4f64.ln())]);
        assert_eq!((config.gamma(Toy::Line), config.gamma(Toy::Crossing)), (100.0, 1.0));
    }
}
