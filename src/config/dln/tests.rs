//! Tests of the configuration as a user meets it: through the command line.

use std::collections::BTreeSet;
use std::fs;

use clap::ValueEnum;
use serde_json::json;

use super::*;
use crate::config::{DlnArgs, Kind};

fn checked(line: &str) -> CheckedDln {
    try_checked(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn try_checked(line: &str) -> Result<CheckedDln, ConfigError> {
    DlnArgs::try_parse_from(line.split_whitespace())
        .unwrap_or_else(|error| panic!("{line}: {error}"))
        .resolve()
}

fn config(line: &str) -> DlnConfig {
    checked(line).config
}

fn sentence(line: &str) -> String {
    try_checked(line).expect_err(line).to_string()
}

fn from_toml(text: &str) -> Result<DlnConfig, ConfigError> {
    let mut raw = RawConfig::new(KEYS);
    raw.layer_table(&text.parse().unwrap())?;
    Ok(DlnConfig::check(&raw, 2)?.config)
}

#[test]
fn every_bad_input_is_refused_with_its_own_sentence() {
    let cases = [
        (
            "--layer-widths 20,0,10",
            "--layer-widths (model.layer_widths): layer 2 has width 0: give every",
        ),
        (
            "--layer-widths []",
            "--layer-widths (model.layer_widths) is empty: give the width of every layer",
        ),
        (
            "--layer-widths 20,x",
            "--layer-widths (model.layer_widths): `x` is not a number",
        ),
        (
            "--layer-widths 20,-1",
            "--layer-widths (model.layer_widths): `-1` is not a whole number from 0 up",
        ),
        (
            "--layer-widths 1e9,1e9,1e9",
            "--layer-widths (model.layer_widths): the network has more than 1e12 param",
        ),
        (
            "--layer-widths 9000000000000000000,9000000000000000000",
            "--layer-widths (model.layer_widths): the network",
        ),
        (
            "--input-dim 0",
            "--input-dim (model.input_dim) is 0: give 1 or more",
        ),
        (
            "--input-dim ten",
            "--input-dim (model.input_dim): `ten` is not a number",
        ),
        (
            "--num-training-data 2",
            "--num-training-data (data.num_training_data) is 2: give 3 or more",
        ),
        (
            "--num-training-data 1.5",
            "--num-training-data (data.num_training_data): `1.5` is not a whole number",
        ),
        (
            "--input-dist unitball",
            "--input-dist (data.input_dist): `unitball` is not one of uniform, unit-ball: did you",
        ),
        (
            "--truth aligned --rank 11",
            "--rank (truth.rank) is 11: it cannot exceed the smallest width, 10",
        ),
        (
            "--rank 11",
            "--rank (truth.rank) is 11: it cannot exceed the smallest width, 10",
        ),
        (
            "--rank 5",
            "--rank (truth.rank) is used by --truth aligned only, and the truth is random",
        ),
        (
            "--truth zero --sv-std 1",
            "--sv-std (truth.sv_std) is used by --truth rand-rank-sv only",
        ),
        (
            "--truth rand-rank-sv --sv-std -1",
            "--sv-std (truth.sv_std) is -1: give a finite number, 0 or more",
        ),
        (
            "--truth rand-rank-sv --sv-mean inf",
            "--sv-mean (truth.sv_mean) is inf: give a finite number",
        ),
        (
            "--truth rand-rank --prop-rank-reduce 1.5",
            "--prop-rank-reduce (truth.prop_rank_reduce) is 1.5: give a number",
        ),
        (
            "--truth random --prop-rank-reduce 0.5",
            "--prop-rank-reduce (truth.prop_rank_reduce) is used by --truth rand-",
        ),
        (
            "--truth ranked",
            "--truth (truth.kind): `ranked` is not one of random, zero, rand-rank, rand-rank-sv",
        ),
        (
            "--sampler hmc --epsilon 0",
            "--epsilon (sampler.epsilon) is 0: give a finite number above 0",
        ),
        (
            "--sampler hmc --epsilon -1",
            "--epsilon (sampler.epsilon) is -1: give a finite number above 0",
        ),
        (
            "--sampler hmc --epsilon nan",
            "--epsilon (sampler.epsilon) is NaN: give a finite number above 0",
        ),
        (
            "--sampler hmc --epsilon=-inf",
            "--epsilon (sampler.epsilon) is -inf: give a finite number above 0",
        ),
        (
            "--epsilon nan",
            "--epsilon (sampler.epsilon) is NaN: give a finite number above 0",
        ),
        (
            "--epsilon small",
            "--epsilon (sampler.epsilon): `small` is not a number",
        ),
        (
            "--epsilon 1e-7",
            "--epsilon (sampler.epsilon): gibbs draws each layer exactly and has no step size",
        ),
        (
            "--epsilon auto",
            "--epsilon (sampler.epsilon): gibbs draws each layer exactly and has no step size",
        ),
        (
            "--gradient minibatch",
            "--gradient (sampler.gradient) is minibatch: gibbs draws each layer from its exact",
        ),
        (
            "--sampler mala --gradient minibatch",
            "--gradient (sampler.gradient) is minibatch: mala accepts or rejects by",
        ),
        (
            "--sampler hmc --gradient minibatch",
            "--gradient (sampler.gradient) is minibatch: hmc accepts or rejects by",
        ),
        (
            "--sampler gibs",
            "--sampler (sampler.kind): `gibs` is not one of gibbs, hmc, mala, sgld: did you mean `gibbs`?",
        ),
        (
            "--warmup 1",
            "--warmup (sampler.warmup) is 1: give a number in [0, 1)",
        ),
        (
            "--warmup -0.1",
            "--warmup (sampler.warmup) is -0.1: give a number in [0, 1)",
        ),
        (
            "--warmup nan",
            "--warmup (sampler.warmup) is NaN: give a number in [0, 1)",
        ),
        (
            "--batch-size 500 --num-training-data 100",
            "--batch-size (sampler.batch_size) is 500: it cannot exceed the num",
        ),
        (
            "--sampler sgld --batch-size 0",
            "--batch-size (sampler.batch_size) is 0: give 1 or more",
        ),
        (
            "--sampler sgld --preconditioner 1,2",
            "--preconditioner (sampler.preconditioner) has 2 entries: give one for",
        ),
        (
            "--sampler sgld --preconditioner 1,2,0",
            "--preconditioner (sampler.preconditioner) is 0: give a finite number",
        ),
        (
            "--preconditioner 1,2,3",
            "--preconditioner (sampler.preconditioner) is used by --sampler sgld only, and the sam",
        ),
        (
            "--gamma -1",
            "--gamma (sampler.gamma) is -1: give a finite number, 0 or more",
        ),
        (
            "--gamma nan",
            "--gamma (sampler.gamma) is NaN: give a finite number, 0 or more",
        ),
        (
            "--gamma 0",
            "--gamma (sampler.gamma) is 0: without it the flat directions have no law",
        ),
        (
            "--beta 0",
            "--beta (sampler.beta) is 0: give a finite number above 0",
        ),
        (
            "--n-beta -2",
            "--n-beta (sampler.n_beta) is -2: give a finite number above 0",
        ),
        (
            "--beta 0.1 --n-beta 10",
            "--beta (sampler.beta) and --n-beta (sampler.n_beta) are both given",
        ),
        (
            "--num-chains 0",
            "--num-chains (sampler.num_chains) is 0: give 1 or more",
        ),
        (
            "--num-steps 0",
            "--num-steps (sampler.num_steps) is 0: give 1 or more",
        ),
        (
            "--num-steps abc",
            "--num-steps (sampler.num_steps): `abc` is not a number",
        ),
        (
            "--num-steps 4",
            "--num-steps (sampler.num_steps) is 4: it keeps 3 draws of the 4 needed; give 6 or more",
        ),
        ("--thin 0", "--thin (sampler.thin) is 0: give 1 or more"),
        (
            "--thin 2000",
            "--num-steps (sampler.num_steps) is 4000: it keeps 2 draws of the 4 needed; give 12000 or more",
        ),
        (
            "--leapfrog-steps 5",
            "--leapfrog-steps (sampler.leapfrog_steps) is used by --sampler hmc only",
        ),
        (
            "--sampler hmc --leapfrog-steps 0",
            "--leapfrog-steps (sampler.leapfrog_steps) is 0: give 1 or more",
        ),
        (
            "--sampler sgld --target-acceptance 0.5",
            "--target-acceptance (sampler.target_acceptance) is used by --sampl",
        ),
        (
            "--sampler hmc --target-acceptance 1",
            "--target-acceptance (sampler.target_acceptance) is 1: give a number",
        ),
        (
            "--sampler mala --mala-every 5",
            "--mala-every (sampler.mala_every) is used by --sampler sgld only",
        ),
        (
            "--loss-trace minibatch",
            "--loss-trace (sampler.loss_trace) is minibatch: only sgld with --gradient minibatch",
        ),
        (
            "--sampler sgld --gradient exact --loss-trace control-variate",
            "--loss-trace (sampler.loss_trace) is control",
        ),
        (
            "--threads 0",
            "--threads (run.threads) is 0: give 1 or more",
        ),
        (
            "--threads 2 --threads-per-chain 3",
            "--threads-per-chain (run.threads_per_chain) is 3: it cannot exceed --thr",
        ),
        (
            "--device gpu",
            "--device (run.device): `gpu` is not a device: give cpu, cuda or cuda:N",
        ),
        (
            "--precision f16",
            "--precision (run.precision): `f16` is not one of auto, f32, f64",
        ),
        ("--seed -1", "--seed: `-1` is not a whole number from 0 up"),
        (
            "--seed 1e19",
            "--seed: `1e19` is not a whole number below 2^63",
        ),
        (
            "--set sampler.epsilom=1",
            "unknown key `sampler.epsilom`: did you mean `sampler.epsilon`?",
        ),
        (
            "--set gamma=1",
            "unknown key `gamma`: did you mean `sampler.gamma`?",
        ),
        (
            "--set sampler.gamma",
            "--set sampler.gamma: write it as key=value",
        ),
        (
            "--set experiment=mlp",
            "experiment: `mlp` is not one of dln",
        ),
        (
            "--config no/such/file.toml",
            "--config no/such/file.toml: cannot read the file",
        ),
    ];
    for (line, start) in cases {
        let sentence = sentence(line);
        assert!(
            sentence.starts_with(start),
            "{line}:\n  {sentence}\ndoes not start with\n  {start}"
        );
        assert!(!sentence.contains('\n'), "{line}: {sentence}");
    }
}

#[test]
fn too_few_steps_are_told_a_number_that_is_enough() {
    for (warmup, thin) in [("0", 1), ("0.1", 1), ("0.25", 3), ("0.9", 7), ("0.99", 1)] {
        let line = format!("--warmup {warmup} --thin {thin} --num-steps");
        match try_checked(&format!("{line} 3")) {
            Err(ConfigError::TooFewDraws { enough, .. }) => {
                assert!(
                    config(&format!("{line} {enough}"))
                        .sampler()
                        .num_kept_draws()
                        >= 4,
                    "{line} {enough}"
                );
            }
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn a_file_s_mistakes_are_refused_with_its_key_or_line() {
    let sentence = |text| from_toml(text).unwrap_err().to_string();
    assert_eq!(
        sentence("[sampler]\ngama = 1"),
        "unknown key `sampler.gama`: did you mean `sampler.gamma`?"
    );
    assert_eq!(
        sentence("sampler = 1"),
        "`sampler` is a table: write its settings below [sampler]"
    );
    assert_eq!(
        sentence("[smapler]\ngamma = 1"),
        "unknown key `smapler`: did you mean `sampler`?"
    );
    assert_eq!(
        sentence("[sampler]\nnum_steps = \"many\""),
        "--num-steps (sampler.num_steps): `\"many\"` is not a number"
    );
    assert_eq!(
        sentence("[sampler.gamma]\nx = 1"),
        "--gamma (sampler.gamma): `{ x = 1 }` is not a number"
    );
    assert_eq!(
        sentence("[sampler]\nkind = 3"),
        "--sampler (sampler.kind): `3` is not text in quotes"
    );
    assert!(
        sentence("[model]\nlayer_widths = 20").ends_with("`20` is not a list such as [20, 20, 10]")
    );
    assert!(sentence("[sampler]\nbeta = 1\nn_beta = 1").contains("are both given"));
    assert!(sentence("[sampler]\nkind = \"hmc\"\nepsilon = nan").contains("is NaN"));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    fs::write(&file, "seed = 1\n[sampler\n").unwrap();
    let message = super::tests::sentence(&format!("--config {}", file.display()));
    assert!(
        message.contains("bad.toml: line 2: ") && !message.contains('\n'),
        "{message}"
    );
}

#[test]
fn later_layers_win() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.toml");
    fs::write(
        &file,
        "seed = 3\n[sampler]\ngamma = 2\nthin = 2\nnum_steps = 500\n[run]\nthreads = 5",
    )
    .unwrap();
    let line = format!(
        "--preset 1k --config {} --set sampler.thin=3 --set sampler.num_steps=600",
        file.display()
    );
    let config = config(&format!("{line} --num-steps 700"));
    let sampler = config.sampler();
    assert_eq!(config.seed(), 3);
    assert_eq!(
        config.data().input_dist,
        InputDist::Uniform,
        "defaults lie lowest"
    );
    assert_eq!(
        sampler.kernel.kind(),
        SamplerKind::Sgld,
        "the preset lies over them"
    );
    assert_eq!(sampler.gamma, 2.0, "the file over the preset");
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
    assert_eq!(
        config("--num-training-data 1000").n_beta(),
        1000.0 / 1000f64.ln()
    );
}

/// One line for each sampler, truth and odd value.
const LEGAL: [&str; 10] = [
    "",
    "--seed 9223372036854775807 --truth-seed 1e3 --layer-widths 5 --device cuda:1 --precision f32",
    "--truth aligned --rank 0 --gamma 1e-300 --warmup 0 --n-beta 1e300",
    "--truth rand-rank --prop-rank-reduce 1 --input-dist unit-ball --num-training-data 1e6 --thin 10",
    "--truth rand-rank-sv --sv-mean -1 --sv-std 0 --beta 0.08685889638065036",
    "--truth zero --sampler hmc --epsilon 0.1 --leapfrog-steps 7 --target-acceptance 0.9",
    "--sampler mala --gradient exact --epsilon auto --loss-trace full",
    "--sampler sgld --epsilon 2e-8 --batch-size 32 --mala-every 0 --preconditioner 1,0.5,2",
    "--sampler sgld --gradient exact --gamma 0",
    "--preset 100m --seed 4",
];

#[test]
fn a_printed_configuration_reads_back_to_an_equal_one() {
    for line in LEGAL {
        let config = config(line);
        let text = config.to_toml();
        let again = from_toml(&text).unwrap_or_else(|error| panic!("{line}: {error}\n{text}"));
        assert_eq!(again, config, "{line}\n{text}");
        assert_eq!(again.to_toml(), text);
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(
            serde_json::from_str::<DlnConfig>(&json).unwrap(),
            config,
            "{json}"
        );
    }
}

#[test]
fn every_key_has_a_flag_of_its_own_and_its_place_in_a_printed_file() {
    let flags: BTreeSet<_> = KEYS.iter().map(|key| key.flag).collect();
    assert_eq!(flags.len(), KEYS.len());
    let printed: Vec<toml::Table> = LEGAL
        .iter()
        .map(|line| config(line).to_toml().parse().unwrap())
        .collect();
    for key in KEYS {
        let is_printed = |table: &toml::Table| match key.path.split_once('.') {
            Some((section, name)) => table[section].get(name).is_some(),
            None => table.contains_key(key.path),
        };
        assert!(
            printed.iter().any(is_printed),
            "{} is never printed",
            key.path
        );
    }
    DlnArgs::command().debug_assert();
}

#[test]
fn a_configuration_that_is_not_legal_cannot_be_deserialised() {
    let error =
        serde_json::from_value::<DlnConfig>(json!({"sampler": {"num_chains": 0}})).unwrap_err();
    assert!(error.to_string().contains("num_chains"), "{error}");
}

#[test]
fn defaults_are_those_that_help_states() {
    let stated = |path: &str| {
        let help = KEYS.iter().find(|key| key.path == path).unwrap().help;
        help.split("[default: ")
            .nth(1)
            .unwrap()
            .trim_end_matches(']')
            .to_owned()
    };
    for key in KEYS.iter().filter(|key| !key.flag.is_empty()) {
        assert!(key.help.ends_with(']'), "{} states no default", key.path);
    }
    let everything = "--truth rand-rank-sv";
    let config = serde_json::to_value(config(everything)).unwrap();
    for path in [
        "model.input_dim",
        "data.num_training_data",
        "sampler.gamma",
        "sampler.thin",
        "sampler.num_chains",
    ]
    .into_iter()
    .chain([
        "truth.prop_rank_reduce",
        "truth.sv_mean",
        "truth.sv_std",
        "seed",
    ]) {
        let value = path
            .split('.')
            .fold(&config, |value, name| &value[name])
            .as_f64();
        assert_eq!(value, stated(path).parse().ok(), "{path}");
    }
    assert_eq!(
        stated("model.layer_widths"),
        defaults::LAYER_WIDTHS
            .map(|width| width.to_string())
            .join(",")
    );
    let steps =
        SamplerKind::ALL.map(|kind| format!("{} {}", kind.name(), defaults::num_steps(kind)));
    assert_eq!(stated("sampler.num_steps"), steps.join(", "));
    assert_eq!(stated("sampler.kind"), defaults::SAMPLER.name());
}

#[test]
fn what_a_sampler_leaves_open_gets_that_sampler_s_default() {
    let hmc = config("--sampler hmc");
    assert_eq!(
        hmc.sampler().kernel,
        KernelConfig::Hmc(HmcConfig {
            epsilon: Epsilon::Auto,
            leapfrog_steps: 20,
            target_acceptance: 0.8
        })
    );
    assert_eq!(
        (hmc.sampler().num_steps, hmc.sampler().warmup),
        (2000, 0.25)
    );
    let sgld = config("--sampler sgld --num-training-data 100");
    let KernelConfig::Sgld(kernel) = &sgld.sampler().kernel else {
        panic!("{sgld:?}")
    };
    assert_eq!(kernel.gradient, Gradient::Minibatch { batch_size: 100 });
    assert_eq!(sgld.sampler().loss_trace, LossTrace::Minibatch);
    assert_eq!(sgld.sampler().num_kept_draws(), 1000);
    assert_eq!(
        config("--sampler sgld --gradient exact")
            .sampler()
            .loss_trace,
        LossTrace::Full
    );
    assert_eq!(
        config("--truth aligned --layer-widths 9,8,7").truth().kind,
        Truth::Aligned { rank: 3 }
    );
}

#[test]
fn precision_and_threads_follow_size_and_sampler() {
    let small = config("--sampler hmc --threads 8");
    assert_eq!(
        (small.run().precision, small.run().threads_per_chain),
        (Precision::F64, 1)
    );
    let large = config("--sampler hmc --threads 8 --layer-widths 300,300,300");
    assert_eq!(
        (large.run().precision, large.run().threads_per_chain),
        (Precision::F32, 8)
    );
    assert_eq!(
        config("--layer-widths 300,300,300").run().precision,
        Precision::F64,
        "gibbs stays exact"
    );
}

#[test]
fn widths_may_come_as_several_words() {
    for line in [
        "--layer-widths 259,286,885",
        "--layer-widths [259, 286, 885]",
        "--layer-widths 259 286 885 --seed 1",
    ] {
        assert_eq!(config(line).model().dims(), [10, 259, 286, 885], "{line}");
    }
    let quoted = DlnArgs::try_parse_from(["--layer-widths", "[259, 286, 885]"]).unwrap();
    assert_eq!(
        quoted.resolve().unwrap().config.model().num_parameters(),
        10 * 259 + 259 * 286 + 286 * 885
    );
}

#[test]
fn unknown_flags_are_refused_with_the_nearest() {
    let error = DlnArgs::try_parse_from(["--epsilom", "1"]).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("--epsilon"), "{error}");
}

#[test]
fn what_is_legal_but_hardly_meant_is_warned_of() {
    assert_eq!(checked("").warnings, []);
    assert_eq!(
        checked("--sampler hmc --gamma 0").warnings,
        [ConfigWarning::FlatDirectionsAreFree]
    );
    assert_eq!(
        checked("--batch-size 100").warnings,
        [ConfigWarning::BatchSizeIsUnused]
    );
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
    for preset in Preset::value_variants() {
        let name = preset.to_possible_value().unwrap().get_name().to_owned();
        for seed in 0..60 {
            let run = checked(&format!("--preset {name} --seed {seed}"));
            assert_eq!(run.warnings, []);
            let sampler = run.config.sampler();
            assert_eq!(
                (sampler.num_chains, sampler.warmup, sampler.gamma),
                (1, 0.9, 1.0)
            );
            assert_eq!(
                run.config.truth().kind,
                Truth::RandRank {
                    prop_rank_reduce: 0.5
                }
            );
            for kind in ["gibbs", "hmc", "mala"] {
                let other = checked(&format!(
                    "--preset {name} --seed {seed} --sampler {kind} --truth aligned"
                ));
                assert_eq!(other.config.model(), run.config.model());
                assert_eq!(other.config.data(), run.config.data());
                assert_eq!(
                    (other.config.sampler().num_chains, other.warnings.len()),
                    (4, 0)
                );
            }
        }
    }
}

#[test]
fn explicit_flags_win_over_a_preset() {
    let preset =
        config("--preset 1m --layer-widths 5,6 --epsilon 1e-9 --gradient exact --num-chains 2");
    assert_eq!(preset.model().layer_widths, [5, 6]);
    assert!((100..1000).contains(&preset.model().input_dim));
    let KernelConfig::Sgld(kernel) = &preset.sampler().kernel else {
        panic!("{preset:?}")
    };
    assert_eq!(kernel.gradient, Gradient::Exact);
    assert_eq!(serde_json::to_value(kernel.epsilon).unwrap(), json!(1e-9));
    assert_eq!(
        (preset.sampler().num_chains, preset.sampler().num_steps),
        (2, 50_000)
    );
}

#[test]
fn lists_are_the_only_flags_of_several_words() {
    let error = DlnArgs::try_parse_from(["--gamma", "1", "2"]).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(KEYS.iter().any(|key| key.kind == Kind::RealList));
}
