//! Tests of the configuration as a user meets it: through the command line.

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;

use super::*;
use crate::config::{Checked, DlnArgs, Epsilon, Gradient, Kind, LossTrace, Precision};
use crate::kernel::hmc::Hmc;
use crate::kernel::{KernelConfig, SamplerKind};

mod point;
mod refused;

fn checked(line: &str) -> Checked<DlnConfig> {
    try_checked(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn try_checked(line: &str) -> Result<Checked<DlnConfig>, ConfigError> {
    DlnArgs::try_parse_from(line.split_whitespace()).unwrap_or_else(|error| panic!("{line}: {error}")).resolve()
}

fn config(line: &str) -> DlnConfig {
    checked(line).config
}

fn from_toml(text: &str) -> Result<DlnConfig, ConfigError> {
    let mut raw = RawConfig::new(keys());
    raw.layer_table(&text.parse().unwrap())?;
    Ok(DlnConfig::check(&raw, 2)?.config)
}

#[test]
fn later_layers_win() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.toml");
    fs::write(&file, "seed = 3\n[sampler]\ngamma = 2\nthin = 2\nnum_steps = 500\n[run]\nthreads = 5").unwrap();
    let line = format!("--preset 1k --config {} --set sampler.thin=3 --set sampler.num_steps=600", file.display());
    let config = config(&format!("{line} --num-steps 700"));
    let sampler = config.sampler();
    assert_eq!(config.seed(), 3);
    assert_eq!(config.data().input_dist, InputDist::Uniform, "defaults lie lowest");
    assert_eq!(sampler.kernel.kind(), SamplerKind::Sgld, "the preset lies over them");
    assert_eq!(sampler.fixed_gamma(), 2.0, "the file over the preset");
    assert_eq!(sampler.thin, 3, "--set over the file");
    assert_eq!(sampler.num_steps, 700, "flags over --set");
    assert_eq!(config.run().threads, 5);
}

#[test]
fn a_later_beta_takes_back_an_earlier_n_beta() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.toml");
    fs::write(&file, "[sampler]\nn_beta = 7").unwrap();
    let from_file = format!("--num-training-data 1000 --config {}", file.display());
    assert_eq!(config(&from_file).n_beta(), 7.0);
    assert_eq!(config(&format!("{from_file} --beta 0.5")).n_beta(), 500.0);
    assert_eq!(config("--num-training-data 1000").n_beta(), 1000.0 / 1000f64.ln());
}

#[test]
fn a_layer_that_changes_the_sampler_or_the_truth_takes_back_what_belonged_to_the_former() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.toml");
    fs::write(&file, config("--preset 1k --num-steps 99").to_toml()).unwrap();
    let line = format!("--config {}", file.display());
    for kind in SamplerKind::ALL {
        let sampler = config(&format!("{line} --sampler {}", kind.name())).sampler().clone();
        assert_eq!((sampler.kernel.kind(), sampler.num_steps), (kind, 99));
    }
    assert_eq!(config(&format!("{line} --truth zero")).truth().kind, Truth::Zero);
    assert_eq!(config(&format!("{line} --sampler sgld")), config(&line));
    let chosen = config(&format!("{line} --set sampler.epsilon=3 --sampler hmc"));
    let KernelConfig::Hmc(hmc) = &chosen.sampler().kernel else { panic!("{chosen:?}") };
    assert_eq!(serde_json::to_value(hmc.epsilon).unwrap(), json!(3.0), "--set and flags are one layer");
}

/// One line for each truth and odd value.
const LEGAL: [&str; 12] = [
    "",
    "--seed 9223372036854775807 --truth-seed 1e3 --layer-widths 5 --device cuda:1 --sampler hmc --precision f32",
    "--truth aligned --rank 0 --gamma 1e-300 --warmup 0 --n-beta 1e300",
    "--truth rand-rank --prop-rank-reduce 1 --input-dist unit-ball --num-training-data 1e6 --thin 10",
    "--truth rand-rank-sv --sv-mean -1 --sv-std 0 --beta 0.08685889638065036",
    "--truth zero --sampler hmc --epsilon 0.1 --leapfrog-steps 7 --target-acceptance 0.9",
    "--sampler mala --gradient exact --epsilon auto --loss-trace full",
    "--sampler sgld --epsilon 2e-8 --batch-size 32 --mala-every 0 --preconditioner 1,0.5,2",
    "--sampler sgld --gradient exact --gamma 0 --extrapolate-step on",
    "--preset 100m --seed 4",
    "--train --momentum 0 --learning-rate 1e-3 --train-batch-size 10 --train-steps 1e3 --estimator wbic-slope --functional-rank \
     --functional-rank-threshold 1e-6 --hessian-trace --hessian-probes 2 --spectra --compute-distance --save-true-param",
    "--train --optimizer adam --set sampler.gamma=3",
];

/// These, and one line for each sampler.
fn legal() -> Vec<String> {
    let samplers = SamplerKind::NAMES.iter().map(|name| format!("--sampler {name}"));
    LEGAL.map(str::to_owned).into_iter().chain(samplers).collect()
}

#[test]
fn a_sampler_is_written_by_the_name_that_chooses_it() {
    for kind in SamplerKind::ALL {
        let written = serde_json::to_value(config(&format!("--sampler {}", kind.name()))).unwrap();
        assert_eq!(written["sampler"]["kind"], kind.name());
    }
}

#[test]
fn a_printed_configuration_reads_back_to_an_equal_one() {
    for line in legal() {
        let config = config(&line);
        let text = config.to_toml();
        let again = from_toml(&text).unwrap_or_else(|error| panic!("{line}: {error}\n{text}"));
        assert_eq!(again, config, "{line}\n{text}");
        assert_eq!(again.to_toml(), text);
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<DlnConfig>(&json).unwrap(), config, "{json}");
    }
}

#[test]
fn every_key_has_a_flag_of_its_own_and_its_place_in_a_printed_file() {
    let flags: BTreeSet<_> = keys().iter().map(|key| key.flag).collect();
    assert_eq!(flags.len(), keys().len());
    let printed: Vec<toml::Table> = legal().iter().map(|line| config(line).to_toml().parse().unwrap()).collect();
    for key in keys() {
        let is_printed = |table: &toml::Table| match key.path.split_once('.') {
            Some((section, name)) => table[section].get(name).is_some(),
            None => table.contains_key(key.path),
        };
        assert!(printed.iter().any(is_printed), "{} is never printed", key.path);
    }
    DlnArgs::command().debug_assert();
}

#[test]
fn defaults_are_those_that_help_states() {
    let stated = |path: &str| {
        let help = keys().iter().find(|key| key.path == path).unwrap().help;
        help.split("[default: ").nth(1).unwrap().trim_end_matches(']').to_owned()
    };
    for key in keys().iter().filter(|key| !key.flag.is_empty()) {
        assert!(key.help.ends_with(']'), "{} states no default", key.path);
    }
    let everything = "--truth rand-rank-sv";
    let config = serde_json::to_value(config(everything)).unwrap();
    for path in ["model.input_dim", "data.num_training_data", "sampler.gamma", "sampler.thin", "sampler.num_chains"]
        .into_iter()
        .chain(["truth.prop_rank_reduce", "truth.sv_mean", "truth.sv_std", "seed"])
    {
        let value = path.split('.').fold(&config, |value, name| &value[name]).as_f64();
        assert_eq!(value, stated(path).parse().ok(), "{path}");
    }
    assert_eq!(stated("model.layer_widths"), defaults::LAYER_WIDTHS.map(|width| width.to_string()).join(","));
    let of = |kind: SamplerKind| self::config(&format!("--sampler {}", kind.name()));
    let steps = SamplerKind::ALL.map(|kind| format!("{} {}", kind.name(), of(kind).sampler().num_steps));
    assert_eq!(stated("sampler.num_steps"), steps.join(", "));
    assert_eq!(stated("sampler.kind"), defaults::SAMPLER.kind.name());
    for kind in SamplerKind::ALL {
        let config = serde_json::to_value(of(kind)).unwrap();
        for key in kind.about().keys {
            let value = key.path.split('.').fold(&config, |value, name| &value[name]).as_f64();
            assert!(value.is_none() || value == stated(key.path).parse().ok(), "{}", key.path);
        }
    }
}

#[test]
fn what_a_sampler_leaves_open_gets_that_sampler_s_default() {
    let hmc = config("--sampler hmc");
    assert_eq!(
        hmc.sampler().kernel,
        KernelConfig::Hmc(Hmc { epsilon: Epsilon::Auto, leapfrog_steps: 20, target_acceptance: 0.8 })
    );
    assert_eq!((hmc.sampler().num_steps, hmc.sampler().warmup), (6000, 0.25));
    let sgld = config("--sampler sgld --num-training-data 100");
    let KernelConfig::Sgld(kernel) = &sgld.sampler().kernel else { panic!("{sgld:?}") };
    assert_eq!(kernel.gradient, Gradient::Minibatch { batch_size: 100 });
    assert_eq!(sgld.sampler().loss_trace, LossTrace::Minibatch);
    assert_eq!(sgld.sampler().num_kept_draws(), 10_000);
    assert_eq!(config("--sampler sgld --gradient exact").sampler().loss_trace, LossTrace::Full);
    assert_eq!(config("--truth aligned --layer-widths 9,8,7").truth().kind, Truth::Aligned { rank: 3 });
}

#[test]
fn precision_and_threads_follow_size_and_sampler() {
    let small = config("--sampler hmc --threads 8");
    assert_eq!((small.run().precision, small.run().threads_per_chain), (Precision::F64, 1));
    let large = config("--sampler hmc --threads 8 --layer-widths 300,300,300");
    assert_eq!((large.run().precision, large.run().threads_per_chain), (Precision::F64, 8));
    let gibbs = config("--threads 8 --layer-widths 300,300,300");
    assert_eq!((gibbs.run().precision, gibbs.run().threads_per_chain), (Precision::F64, 1));
    assert_eq!(config("--sampler sgld").run().precision, Precision::F32);
}

#[test]
fn widths_may_come_as_several_words() {
    for line in ["--layer-widths 259,286,885", "--layer-widths [259, 286, 885]", "--layer-widths 259 286 885 --seed 1"]
    {
        assert_eq!(config(line).model().dims(), [10, 259, 286, 885], "{line}");
    }
    let quoted = DlnArgs::try_parse_from(["--layer-widths", "[259, 286, 885]"]).unwrap();
    assert_eq!(quoted.resolve().unwrap().config.model().num_parameters(), 10 * 259 + 259 * 286 + 286 * 885);
}

#[test]
fn what_is_legal_but_hardly_meant_is_warned_of() {
    assert_eq!(checked("").warnings, []);
    assert_eq!(checked("--sampler hmc --gamma 0").warnings, [ConfigWarning::FlatDirectionsAreFree]);
    assert_eq!(checked("--batch-size 100").warnings, [ConfigWarning::BatchSizeIsUnused]);
    let target = checked("--sampler mala --epsilon 1 --target-acceptance 0.5");
    assert_eq!(target.warnings, [ConfigWarning::TargetAcceptanceIsUnused]);
}

#[test]
fn updates_list_what_was_set_to_something_else() {
    assert_eq!(checked("").updates, json!({}));
    assert_eq!(checked("--gamma 1 --input-dim 10").updates, json!({}));
    assert_eq!(
        checked("--seed 2 --sampler sgld --epsilon 1e-7 --set sampler.gamma=5 --beta 0.1").updates,
        json!({"seed": 2, "sampler": {"kind": "sgld", "epsilon": 1e-7, "gamma": 5.0, "beta": 0.1}})
    );
}

#[test]
fn presets_are_legal_for_many_seeds_and_for_every_sampler() {
    for preset in Preset::NAMES {
        let name = preset;
        for seed in 0..60 {
            let run = checked(&format!("--preset {name} --seed {seed}"));
            assert_eq!(run.warnings, []);
            let sampler = run.config.sampler();
            assert_eq!((sampler.num_chains, sampler.warmup, sampler.fixed_gamma()), (1, 0.9, 1.0));
            assert_eq!(run.config.truth().kind, Truth::RandRank { prop_rank_reduce: 0.5 });
            for kind in SamplerKind::ALL.into_iter().filter(|&kind| kind != SamplerKind::Sgld) {
                let sampler = kind.name();
                let other = checked(&format!("--preset {name} --seed {seed} --sampler {sampler} --truth aligned"));
                assert_eq!(other.config.model(), run.config.model());
                assert_eq!(other.config.data(), run.config.data());
                assert_eq!((other.config.sampler().num_chains, other.warnings.len()), (4, 0));
            }
        }
    }
}

#[test]
fn explicit_flags_win_over_a_preset() {
    let preset = config("--preset 1m --layer-widths 5,6 --epsilon 1e-9 --gradient exact --num-chains 2");
    assert_eq!(preset.model().layer_widths, [5, 6]);
    assert!((100..1000).contains(&preset.model().input_dim));
    let KernelConfig::Sgld(kernel) = &preset.sampler().kernel else { panic!("{preset:?}") };
    assert_eq!(kernel.gradient, Gradient::Exact);
    assert_eq!(serde_json::to_value(kernel.epsilon).unwrap(), json!(1e-9));
    assert_eq!((preset.sampler().num_chains, preset.sampler().num_steps), (2, 50_000));
}

#[test]
fn lists_are_the_only_flags_of_several_words() {
    let error = DlnArgs::try_parse_from(["--gamma", "1", "2"]).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(keys().iter().any(|key| key.kind == Kind::RealList));
}
