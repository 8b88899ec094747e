//! Lists the settings of the sampler, for every experiment that samples: their places in a file, their flags, their help.

use llc_core::setting::Choice;
use std::sync::LazyLock;

use super::defaults::THIN;
use super::{ExtrapolateStep, Gamma, LossTrace, SamplerDefaults, Switch};
use crate::config::error::minibatch_samplers;
use crate::config::{Kind, Setting};
use crate::kernel::{About, GradientNeed, SamplerKind};

const SAMPLER: &str = "sampler.kind";

/// The settings of every sampler, with `defaults`; then those of some samplers only. The help mentions samplers that draw blocks of
/// parameters exactly only if `has_blocks`.
pub fn keys(defaults: &SamplerDefaults, has_blocks: bool) -> Vec<Setting> {
    let fits = |about: &About| has_blocks || about.gradient != GradientNeed::None;
    let names = names(has_blocks);
    let minibatch = minibatch_samplers();
    let adjusted = SamplerKind::those(|about| about.target_acceptance.is_some());
    let summaries = each(". ", |about| fits(about).then(|| about.summary.to_owned()));
    let num_steps = match defaults.num_steps {
        Some(num_steps) => num_steps.to_string(),
        None => each(", ", |about| fits(about).then(|| about.num_steps.to_string())),
    };
    let warmup = match defaults.warmup {
        Some(warmup) => warmup.to_string(),
        None => each(", ", |about| fits(about).then(|| about.warmup.to_string())),
    };
    let target_acceptance = each(", ", |about| Some(about.target_acceptance?.to_string()));
    let (batch_size, num_chains) = (defaults.batch_size, defaults.num_chains);
    let trace = match defaults.minibatch_trace {
        LossTrace::Minibatch => "minibatch",
        LossTrace::ControlVariate => "control-variate",
        LossTrace::Full => "full",
    };
    let check = match defaults.check_localisation {
        Switch::On => "on",
        Switch::Off => "off",
    };
    let (gamma_kind, gamma) = match defaults.gamma {
        Gamma::Fixed(gamma) => (Kind::Real, format!(" [default: {gamma}]")),
        Gamma::Auto => {
            let ratio = crate::scale::STIFFNESS_RATIO;
            (
                Kind::RealOrAuto,
                format!("; auto: n_beta times the largest curvature at w*, over {ratio} [default: auto]"),
            )
        }
    };
    let extrapolate = match defaults.extrapolate_step {
        ExtrapolateStep::Auto => "auto",
        ExtrapolateStep::On => "on",
        ExtrapolateStep::Off => "off",
    };
    let biased = SamplerKind::those(About::is_biased);
    let mut keys = vec![
        Setting::new(
            SAMPLER,
            "sampler",
            Kind::Choice(names),
            text(names.join("|")),
            text(format!("Sampler of w. {summaries} [default: {}]", defaults.kind.name())),
        ),
        Setting::new(
            "sampler.gradient",
            "gradient",
            Kind::Choice(&["minibatch", "exact"]),
            "minibatch|exact",
            text(format!(
                "Samples for a gradient: a minibatch, or all (exact); minibatch is for {minibatch} only [default: \
                 minibatch for {minibatch}, else exact]"
            )),
        )
        .chosen_for(&[SAMPLER]),
        Setting::new(
            "sampler.epsilon",
            "epsilon",
            Kind::RealOrAuto,
            "EPSILON",
            "Step size: drift epsilon/2, noise variance epsilon; for hmc the square of the leapfrog step \
             [default: auto]",
        )
        .chosen_for(&[SAMPLER]),
        Setting::new(
            "sampler.gamma",
            "gamma",
            gamma_kind,
            "GAMMA",
            text(format!("Localisation: gamma/2 |w - w*|^2 is added to the potential, not scaled by beta{gamma}")),
        ),
        Setting::new("sampler.beta", "beta", Kind::Real, "BETA", "Inverse temperature [default: 1/ln n]"),
        Setting::new(
            "sampler.n_beta",
            "n-beta",
            Kind::Real,
            "N_BETA",
            "n times beta, instead of --beta [default: n/ln n]",
        ),
        Setting::new(
            "sampler.num_steps",
            "num-steps",
            Kind::Whole,
            "STEPS",
            text(format!("Steps of a chain, warm-up included [default: {num_steps}]")),
        ),
        Setting::new(
            "sampler.warmup",
            "warmup",
            Kind::Real,
            "SHARE",
            text(format!(
                "Leading share of the draws that is recorded but not averaged, in [0, 1) [default: {warmup}]"
            )),
        ),
        Setting::new(
            "sampler.thin",
            "thin",
            Kind::Whole,
            "STEPS",
            text(format!("Steps between two draws [default: {THIN}]")),
        ),
        Setting::new(
            "sampler.num_chains",
            "num-chains",
            Kind::Whole,
            "CHAINS",
            text(format!("Number of chains; R-hat is informative from 4 on [default: {num_chains}]")),
        ),
        Setting::new(
            "sampler.batch_size",
            "batch-size",
            Kind::Whole,
            "SAMPLES",
            text(format!("{minibatch}: samples in a minibatch [default: {batch_size}, or n if less]")),
        )
        .chosen_for(&[SAMPLER]),
        Setting::new(
            "sampler.target_acceptance",
            "target-acceptance",
            Kind::Real,
            "RATE",
            text(format!(
                "{adjusted}: acceptance that --epsilon auto aims at, in (0, 1) [default: {target_acceptance}]"
            )),
        )
        .chosen_for(&[SAMPLER]),
        Setting::new(
            "sampler.loss_trace",
            "loss-trace",
            Kind::Choice(LossTrace::NAMES),
            "minibatch|control-variate|full",
            text(format!(
                "Loss that is averaged: the minibatch's; that minus its value at w*, plus the full data's at w*; or \
                 the full data's [default: {trace} with minibatches, else full]"
            )),
        )
        .chosen_for(&[SAMPLER]),
        Setting::new(
            "sampler.check_localisation",
            "check-localisation",
            Kind::Choice(Switch::NAMES),
            "on|off",
            text(format!(
                "Repeat the run at a quarter of gamma, half as long; without it an estimate is at best \
                 trusted_at_scale if gamma holds more than 2 % of the directions [default: {check}]"
            )),
        ),
        Setting::new(
            "sampler.extrapolate_step",
            "extrapolate-step",
            Kind::Choice(ExtrapolateStep::NAMES),
            "auto|on|off",
            text(format!(
                "{biased}: run a second set of chains at epsilon/2, to remove the bias of step size and minibatches \
                 by extrapolation; auto: if the measured bias exceeds 3 % [default: {extrapolate}]"
            )),
        )
        .chosen_for(&[SAMPLER]),
    ];
    keys.extend(samplers_own(has_blocks));
    keys
}

/// The samplers to choose from.
fn names(has_blocks: bool) -> &'static [&'static str] {
    static WITHOUT_BLOCKS: LazyLock<Vec<&str>> = LazyLock::new(|| {
        let fitting = SamplerKind::ALL.into_iter().filter(|kind| kind.about().gradient != GradientNeed::None);
        fitting.map(SamplerKind::name).collect()
    });
    if has_blocks { SamplerKind::NAMES } else { &WITHOUT_BLOCKS }
}

/// The settings that belong to some samplers alone, with their names before the text. Where several declare the same one, the
/// first one's text stands.
fn samplers_own(has_blocks: bool) -> Vec<Setting> {
    let mut own: Vec<Setting> = Vec::new();
    let fits = |kind: &&SamplerKind| has_blocks || kind.about().gradient != GradientNeed::None;
    for key in SamplerKind::ALL.iter().filter(fits).flat_map(|kind| kind.about().keys) {
        if own.iter().all(|other| other.path != key.path) {
            let users = SamplerKind::those(|about| about.takes(key.path));
            own.push(Setting { help: text(format!("{users}: {}", key.help)), ..*key }.chosen_for(&[SAMPLER]));
        }
    }
    own
}

/// The text of `describe` for each sampler, after its name: `gibbs 4000, hmc 6000`.
fn each(separator: &str, describe: impl Fn(&About) -> Option<String>) -> String {
    let line = |kind: SamplerKind| Some(format!("{} {}", kind.name(), describe(kind.about())?));
    SamplerKind::ALL.into_iter().filter_map(line).collect::<Vec<_>>().join(separator)
}

/// Keeps a text for as long as the program runs: there is one table of keys for each experiment.
pub(in crate::config) fn text(text: String) -> &'static str {
    text.leak()
}
