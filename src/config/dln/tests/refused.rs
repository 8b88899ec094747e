//! Tests that what is not legal is refused, each with its own sentence.

use std::fs;

use super::{config, from_toml, try_checked};
use crate::config::{ConfigError, DlnArgs, DlnConfig};
use serde_json::json;

fn refusal(line: &str) -> String {
    try_checked(line).expect_err(line).to_string()
}

#[test]
fn every_bad_input_is_refused_with_its_own_sentence() {
    let cases = [
        ("--layer-widths 20,0,10", "--layer-widths (model.layer_widths): layer 2 has width 0: give every"),
        ("--layer-widths []", "--layer-widths (model.layer_widths) is empty: give the width of every layer"),
        ("--layer-widths 20,x", "--layer-widths (model.layer_widths): `x` is not a number"),
        ("--layer-widths 5,,5", "--layer-widths (model.layer_widths): `5,,5` has an empty item"),
        ("--layer-widths 20,-1", "--layer-widths (model.layer_widths): `-1` is not a whole number from 0 up"),
        ("--layer-widths 1e9,1e9,1e9", "--layer-widths (model.layer_widths): the network has more than 1e12 param"),
        ("--layer-widths 9000000000000000000,9000000000000000000", "--layer-widths (model.layer_widths): the network"),
        ("--input-dim 0", "--input-dim (model.input_dim) is 0: give 1 or more"),
        ("--input-dim ten", "--input-dim (model.input_dim): `ten` is not a number"),
        ("--num-training-data 2", "--num-training-data (data.num_training_data) is 2: give 3 or more"),
        ("--num-training-data 1.5", "--num-training-data (data.num_training_data): `1.5` is not a whole number"),
        (
            "--input-dist unitball",
            "--input-dist (data.input_dist): `unitball` is not one of uniform, unit-ball, normal: did you",
        ),
        ("--truth aligned --rank 11", "--rank (truth.rank) is 11: it cannot exceed the smallest width, 10"),
        ("--rank 11", "--rank (truth.rank) is 11: it cannot exceed the smallest width, 10"),
        ("--rank 5", "--rank (truth.rank) is used by --truth aligned only, and the truth is random"),
        ("--truth zero --sv-std 1", "--sv-std (truth.sv_std) is used by --truth rand-rank-sv only"),
        ("--truth rand-rank-sv --sv-std -1", "--sv-std (truth.sv_std) is -1: give a finite number, 0 or more"),
        ("--truth rand-rank-sv --sv-mean inf", "--sv-mean (truth.sv_mean) is inf: give a finite number"),
        (
            "--truth rand-rank --prop-rank-reduce 1.5",
            "--prop-rank-reduce (truth.prop_rank_reduce) is 1.5: give a number",
        ),
        (
            "--truth random --prop-rank-reduce 0.5",
            "--prop-rank-reduce (truth.prop_rank_reduce) is used by --truth rand-",
        ),
        ("--truth ranked", "--truth (truth.kind): `ranked` is not one of random, zero, rand-rank, rand-rank-sv"),
        ("--sampler hmc --epsilon 0", "--epsilon (sampler.epsilon) is 0: give a finite number above 0"),
        ("--sampler hmc --epsilon -1", "--epsilon (sampler.epsilon) is -1: give a finite number above 0"),
        ("--sampler hmc --epsilon nan", "--epsilon (sampler.epsilon) is NaN: give a finite number above 0"),
        ("--sampler hmc --epsilon=-inf", "--epsilon (sampler.epsilon) is -inf: give a finite number above 0"),
        ("--epsilon nan", "--epsilon (sampler.epsilon) is NaN: give a finite number above 0"),
        ("--epsilon small", "--epsilon (sampler.epsilon): `small` is not a number"),
        ("--epsilon 1e-7", "--epsilon (sampler.epsilon) is used by --sampler hmc, mala"),
        ("--epsilon auto", "--epsilon (sampler.epsilon) is used by --sampler hmc, mala"),
        ("--gradient minibatch", "--gradient (sampler.gradient) is minibatch: gibbs draws each layer from its exact"),
        (
            "--sampler mala --gradient minibatch",
            "--gradient (sampler.gradient) is minibatch: mala accepts or rejects by",
        ),
        ("--sampler hmc --gradient minibatch", "--gradient (sampler.gradient) is minibatch: hmc accepts or rejects by"),
        ("--sampler gibs", "--sampler (sampler.kind): `gibs` is not one of gibbs, hmc, mala, "),
        ("--warmup 1", "--warmup (sampler.warmup) is 1: give a number in [0, 1)"),
        ("--warmup -0.1", "--warmup (sampler.warmup) is -0.1: give a number in [0, 1)"),
        ("--warmup nan", "--warmup (sampler.warmup) is NaN: give a number in [0, 1)"),
        (
            "--batch-size 500 --num-training-data 100",
            "--batch-size (sampler.batch_size) is 500: it cannot exceed the num",
        ),
        ("--sampler sgld --batch-size 0", "--batch-size (sampler.batch_size) is 0: give 1 or more"),
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
        ("--gamma -1", "--gamma (sampler.gamma) is -1: give a finite number, 0 or more"),
        ("--gamma nan", "--gamma (sampler.gamma) is NaN: give a finite number, 0 or more"),
        ("--precision f32", "--precision (run.precision) is f32: gibbs needs"),
        ("--gamma 0", "--gamma (sampler.gamma) is 0: with γ = 0 the flat directions have no density"),
        ("--beta 0", "--beta (sampler.beta) is 0: give a finite number above 0"),
        ("--n-beta -2", "--n-beta (sampler.n_beta) is -2: give a finite number above 0"),
        ("--beta 0.1 --n-beta 10", "--beta (sampler.beta) and --n-beta (sampler.n_beta) are both given"),
        ("--num-chains 0", "--num-chains (sampler.num_chains) is 0: give 1 or more"),
        ("--num-steps 0", "--num-steps (sampler.num_steps) is 0: give 1 or more"),
        ("--num-steps abc", "--num-steps (sampler.num_steps): `abc` is not a number"),
        ("--num-steps 4", "--num-steps (sampler.num_steps) is 4: it keeps 3 draws of the 4 needed; give 6 or more"),
        ("--thin 0", "--thin (sampler.thin) is 0: give 1 or more"),
        (
            "--thin 2000",
            "--num-steps (sampler.num_steps) is 4000: it keeps 2 draws of the 4 needed; give 12000 or more",
        ),
        ("--leapfrog-steps 5", "--leapfrog-steps (sampler.leapfrog_steps) is used by --sampler hmc only"),
        ("--sampler hmc --leapfrog-steps 0", "--leapfrog-steps (sampler.leapfrog_steps) is 0: give 1 or more"),
        (
            "--sampler sgld --target-acceptance 0.5",
            "--target-acceptance (sampler.target_acceptance) is used by --sampl",
        ),
        ("--sampler hmc --target-acceptance 1", "--target-acceptance (sampler.target_acceptance) is 1: give a number"),
        ("--sampler mala --mala-every 5", "--mala-every (sampler.mala_every) is used by --sampler sgld only"),
        (
            "--loss-trace minibatch",
            "--loss-trace (sampler.loss_trace) is minibatch: only sgld with --gradient minibatch",
        ),
        (
            "--sampler sgld --gradient exact --loss-trace control-variate",
            "--loss-trace (sampler.loss_trace) is control",
        ),
        (
            "--learning-rate 0.1",
            "--learning-rate (train.learning_rate) has no effect without --train (train.enabled): add --train,",
        ),
        ("--train-steps 5", "--train-steps (train.num_steps) has no effect without --train"),
        ("--optimizer adam", "--optimizer (train.optimizer) has no effect without --train"),
        ("--train=off --momentum 0.5", "--momentum (train.momentum) has no effect without --train"),
        (
            "--train --optimizer adam --momentum 0.5",
            "--momentum (train.momentum) is used by --optimizer sgd only: adam has",
        ),
        (
            "--train --optimizer adan",
            "--optimizer (train.optimizer): `adan` is not one of sgd, adam: did you mean `adam`?",
        ),
        ("--train --momentum 1", "--momentum (train.momentum) is 1: give a number in [0, 1)"),
        ("--train --learning-rate 0", "--learning-rate (train.learning_rate) is 0: give a finite number above 0"),
        ("--train --train-steps 0", "--train-steps (train.num_steps) is 0: give 1 or more"),
        (
            "--train --train-batch-size 1e6",
            "--train-batch-size (train.batch_size) is 1000000: it cannot exceed the num",
        ),
        ("--train=maybe", "--train (train.enabled): `maybe` is not one of on, off"),
        ("--estimator median", "--estimator (measure.estimator): `median` is not one of mean, wbic-slope: did you"),
        (
            "--functional-rank-threshold 1e-3",
            "--functional-rank-threshold (measure.functional_rank_threshold) has no effect without --functional-rank",
        ),
        (
            "--functional-rank --functional-rank-threshold 1",
            "--functional-rank-threshold (measure.functional_rank_threshold) is 1: give a number in (0, 1)",
        ),
        ("--hessian-probes 3", "--hessian-probes (measure.hessian_probes) has no effect without --hessian-trace"),
        ("--hessian-trace --hessian-probes 1", "--hessian-probes (measure.hessian_probes) is 1: give 2 or more"),
        ("--threads 0", "--threads (run.threads) is 0: give 1 or more"),
        (
            "--threads 2 --threads-per-chain 3",
            "--threads-per-chain (run.threads_per_chain) is 3: it cannot exceed --thr",
        ),
        ("--device gpu", "--device (run.device): `gpu` is not a device: give cpu, cuda or cuda:N"),
        ("--precision f16", "--precision (run.precision): `f16` is not one of auto, f32, f64"),
        ("--threads 1e9", "--threads (run.threads) is 1000000000: give 4096 or less"),
        ("--num-chains 1e9", "--num-chains (sampler.num_chains) is 1000000000: give 10000 or less"),
        ("--num-steps 1e12", "--num-steps (sampler.num_steps) is 1000000000000: that is 4e12 draws over all chains"),
        ("--beta 1e305", "--beta (sampler.beta) is 1"),
        ("--seed -1", "--seed: `-1` is not a whole number from 0 up"),
        ("--seed 1e19", "--seed: `1e19` is not a whole number below 2^63"),
        ("--set sampler.epsilom=1", "unknown key `sampler.epsilom`: did you mean `sampler.epsilon`?"),
        ("--set gamma=1", "unknown key `gamma`: did you mean `sampler.gamma`?"),
        ("--set sampler.gamma", "--set sampler.gamma: write it as key=value"),
        ("--set experiment=mlp", "experiment: `mlp` is not one of dln"),
        ("--config no/such/file.toml", "--config no/such/file.toml: cannot read the file"),
    ];
    for (line, start) in cases {
        let sentence = refusal(line);
        assert!(sentence.starts_with(start), "{line}:\n  {sentence}\ndoes not start with\n  {start}");
        assert!(!sentence.contains('\n'), "{line}: {sentence}");
    }
}

#[test]
fn too_few_steps_are_reported_with_a_number_that_is_enough() {
    for (warmup, thin) in [("0", 1), ("0.1", 1), ("0.25", 3), ("0.9", 7), ("0.99", 1)] {
        let line = format!("--warmup {warmup} --thin {thin} --num-steps");
        match try_checked(&format!("{line} 3")) {
            Err(ConfigError::TooFewDraws { enough, .. }) => {
                assert!(config(&format!("{line} {enough}")).sampler().num_kept_draws() >= 4, "{line} {enough}");
            }
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn a_file_s_mistakes_are_refused_with_its_key_or_line() {
    let sentence = |text| from_toml(text).unwrap_err().to_string();
    assert_eq!(sentence("[sampler]\ngama = 1"), "unknown key `sampler.gama`: did you mean `sampler.gamma`?");
    assert_eq!(sentence("sampler = 1"), "`sampler` is a table: write its settings below [sampler]");
    assert_eq!(sentence("[smapler]\ngamma = 1"), "unknown key `smapler`: did you mean `sampler`?");
    assert_eq!(
        sentence("[sampler]\nnum_steps = \"many\""),
        "--num-steps (sampler.num_steps): `\"many\"` is not a number"
    );
    assert_eq!(sentence("[sampler.gamma]\nx = 1"), "--gamma (sampler.gamma): `{ x = 1 }` is not a number");
    assert_eq!(sentence("[sampler]\nkind = 3"), "--sampler (sampler.kind): `3` is not text in quotes");
    assert!(sentence("[model]\nlayer_widths = 20").ends_with("`20` is not a list such as [20, 20, 10]"));
    assert!(sentence("[sampler]\nbeta = 1\nn_beta = 1").contains("are both given"));
    assert!(sentence("[sampler]\nkind = \"hmc\"\nepsilon = nan").contains("is NaN"));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    fs::write(&file, "seed = 1\n[sampler\n").unwrap();
    let message = refusal(&format!("--config {}", file.display()));
    assert!(message.contains("bad.toml: line 2: ") && !message.contains('\n'), "{message}");
}

#[test]
fn unknown_flags_are_refused_with_the_nearest() {
    let error = DlnArgs::try_parse_from(["--epsilom", "1"]).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("--epsilon"), "{error}");
}

#[test]
fn a_configuration_that_is_not_legal_cannot_be_deserialised() {
    let error = serde_json::from_value::<DlnConfig>(json!({"sampler": {"num_chains": 0}})).unwrap_err();
    assert!(error.to_string().contains("num_chains"), "{error}");
}
