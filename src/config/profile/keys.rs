//! Lists every setting of `llc profile`, and says which source they choose.

use super::Along;
use llc_core::setting::Choice;
use std::sync::LazyLock;

use super::ladder::{HALF_WIDTH, MAX_ROUNDS_STEPS, NUM_RUNGS};
use super::potential::POTENTIAL;
use crate::config::sampler::keys::text;
use crate::config::sampler::{ExtrapolateStep, Gamma, LossTrace, SamplerDefaults, Switch};
use crate::config::{ConfigError, Configuration, EstimateConfig, Kind, RawConfig, Setting, Value, dln, run, sampler};
use crate::kernel::SamplerKind;
use crate::theory::Toy;

const CHECKPOINT: &str = "checkpoint";
const MODULE: &str = "module";

/// What help says of the sampler; each source has defaults of its own, which [`described`] adds.
const SAMPLER: SamplerDefaults = SamplerDefaults {
    kind: SamplerKind::Sgld,
    num_steps: None,
    warmup: None,
    batch_size: 256,
    num_chains: 4,
    minibatch_trace: LossTrace::ControlVariate,
    check_localisation: Switch::Off,
    gamma: Gamma::Auto,
    extrapolate_step: ExtrapolateStep::Off,
};

/// Settings of the sampler that have no say here: a ladder is its own check of the localisation, and each rung is one set of chains.
const NOT_HERE: [&str; 2] = ["sampler.check_localisation", "sampler.extrapolate_step"];

/// Every setting of `llc profile`, in the order of `--help`.
pub fn keys() -> &'static [Setting] {
    static KEYS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
        let mut keys = vec![Setting::new("experiment", "", Kind::Choice(&["profile"]), "", "")];
        keys.extend(ladder());
        keys.extend(EstimateConfig::keys().iter().filter(|key| is_of_source(key)));
        keys.extend(dln::keys().iter().filter(|key| is_of_truth(key)));
        keys.push(Setting::new(
            POTENTIAL,
            "potential",
            Kind::Choice(&Toy::NAMES),
            text(Toy::NAMES.join("|")),
            "A potential of one to three parameters whose value at every rung is known exactly",
        ));
        let own = sampler::keys::keys(&SAMPLER, true).into_iter().map(described);
        keys.extend(own.filter(|key| !NOT_HERE.contains(&key.path)));
        keys.push(Setting::new("seed", "seed", Kind::Whole, "SEED", "Seed of everything random [default: 0]"));
        keys.extend(run::network_keys());
        keys
    });
    &KEYS
}

/// The ladder and its budget.
pub(super) fn ladder() -> Vec<Setting> {
    vec![
        Setting::new(
            "profile.along",
            "along",
            Kind::Choice(Along::NAMES),
            "gamma|n-beta",
            "Quantity that decreases from rung to rung; each rung samples a wider region than the previous one \
             [default: gamma]",
        ),
        Setting::new(
            "profile.from",
            "from",
            Kind::Real,
            "VALUE",
            "Gamma or n_beta of the first rung [default: along gamma, n_beta times the largest curvature at w*, over 3; along n-beta, n/ln n]",
        ),
        Setting::new(
            "profile.to",
            "to",
            Kind::Real,
            "VALUE",
            "Gamma or n_beta of the last rung [default: a thousandth of --from]",
        ),
        Setting::new(
            "profile.rungs",
            "rungs",
            Kind::Whole,
            "RUNGS",
            text(format!("Number of rungs, in geometric steps [default: {NUM_RUNGS}]")),
        ),
        Setting::new(
            "profile.ladder",
            "ladder",
            Kind::RealList,
            "VALUES",
            "Gamma or n_beta of every rung, from the largest to the smallest, instead of --from, --to and --rungs: \
             1000,300,100",
        ),
        Setting::new(
            "profile.half_width",
            "half-width",
            Kind::Real,
            "SHARE",
            text(format!(
                "Sample a rung until half of the 90 % interval is this share of the estimate [default: {HALF_WIDTH}]"
            )),
        ),
        Setting::new(
            "profile.time",
            "time",
            Kind::Text,
            "TIME",
            "Sampling time for the whole ladder: 600 (seconds), 90s, 10m or 2h; the ladder stops when it runs out [default: no limit]",
        ),
        Setting::new(
            "profile.max_steps",
            "max-steps",
            Kind::Whole,
            "STEPS",
            text(format!(
                "Most steps of a chain on one rung, warm-up included [default: {MAX_ROUNDS_STEPS} times --num-steps, \
                 or with --time no limit]"
            )),
        ),
    ]
}

/// Whether `key` of `llc estimate` says what is sampled around.
fn is_of_source(key: &Setting) -> bool {
    let is_shared = ["experiment", "seed"].contains(&key.path);
    !is_shared && !key.path.starts_with("sampler.") && !key.path.starts_with("run.")
}

/// Whether `key` of `llc dln` says what is sampled around.
fn is_of_truth(key: &Setting) -> bool {
    ["model.", "data.", "truth."].iter().any(|section| key.path.starts_with(section))
}

/// A setting of the sampler with the defaults that it has here.
fn described(key: Setting) -> Setting {
    let help = match key.path {
        "sampler.kind" => {
            let (before, _) = key.help.rsplit_once(" [default:").unwrap_or((key.help, ""));
            text(format!(
                "{before} [default: sgld around a trained network, gibbs around a deep linear network, hmc in a potential]"
            ))
        }
        "sampler.gamma" => {
            "Localisation of every rung of a ladder along n_beta: gamma/2 |w - w*|^2 is added to the potential, not scaled by beta [default: \
             auto around a trained network, n_beta times the largest curvature at w* over 30; 100 for the potential line, 10 for dot; else 1]"
        }
        "sampler.num_steps" => {
            "Steps of a chain in the first round of a rung, warm-up included; each further round doubles the number \
             of kept draws [default: 2000, but around a deep linear network the sampler's own, as in llc dln]"
        }
        "sampler.warmup" => {
            "Leading share of the first round that is not averaged, in [0, 1) [default: 0.5 around a trained network, 0.2 in a potential, \
             else the sampler's own]"
        }
        "sampler.batch_size" => {
            "sgld: samples in a minibatch [default: 256, around a deep linear network 500, or n if less]"
        }
        "sampler.loss_trace" => {
            "Loss that is averaged: the minibatch's; that minus its value at w*, plus the full data's at w*; or the \
             full data's [default: control-variate around a trained network, minibatch around a deep linear network, if \
             the sampler draws minibatches; else full]"
        }
        _ => key.help,
    };
    Setting { help, ..key }
}

/// What the ladder is climbed around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    Trained,
    DeepLinear,
    Potential,
}

/// The source that `raw` chooses; what belongs to another one is refused.
///
/// # Errors
/// [`ConfigError::Missing`] where nothing is chosen, [`ConfigError::Refused`] where two are.
pub fn kind(raw: &RawConfig) -> Result<SourceKind, ConfigError> {
    let of_truth = |path: &str| dln::keys().iter().any(|key| key.path == path && is_of_truth(key));
    let of_network = |path: &str| EstimateConfig::keys().iter().any(|key| key.path == path && is_of_source(key));
    let kind_of = |path: &str| match path {
        POTENTIAL => Some(SourceKind::Potential),
        path if of_truth(path) => Some(SourceKind::DeepLinear),
        path if of_network(path) => Some(SourceKind::Trained),
        _ => None,
    };
    let is_chosen = |kind: SourceKind| raw.paths().any(|path| kind_of(path) == Some(kind));
    let chosen = match () {
        () if raw.get(CHECKPOINT).is_some() || raw.get(MODULE).is_some() => SourceKind::Trained,
        () if raw.get(POTENTIAL).is_some() => SourceKind::Potential,
        () if is_chosen(SourceKind::DeepLinear) => SourceKind::DeepLinear,
        () => {
            let what = "choose what to profile: --checkpoint FILE (a trained network), --module FILE (a model of your own), --layer-widths 20,20,10 \
                        (a deep linear network) or --potential NAME (a toy)";
            return Err(ConfigError::Missing { key: raw.key(CHECKPOINT)?, what });
        }
    };
    if let Some(path) = raw.paths().find(|path| kind_of(path).is_some_and(|kind| kind != chosen)) {
        let around = match chosen {
            SourceKind::Trained => "a trained network (--checkpoint, --module)",
            SourceKind::DeepLinear => "a deep linear network",
            SourceKind::Potential => "a potential (--potential)",
        };
        let reason = format!("a profile of {around} does not use it: remove it, or choose one source");
        return Err(ConfigError::Refused { key: raw.key(path)?, reason });
    }
    Ok(chosen)
}

/// What `raw` says of the settings that `C` has too, at rungs where nothing is repeated at a smaller γ.
pub fn those_of<C: Configuration>(raw: &RawConfig) -> RawConfig {
    let mut own = RawConfig::new(C::keys());
    for key in C::keys().iter().filter(|key| key.path != "experiment") {
        if let Some(value) = raw.get(key.path) {
            own.fill(key.path, value.clone());
        }
    }
    NOT_HERE.iter().for_each(|path| own.fill(path, Value::Text("off".to_owned())));
    own
}
