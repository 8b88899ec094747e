//! Holds verdicts to a table of runs whose outcome is known: good ones, and ones with one defect each.
//!
//! A good run must be certified (any verdict but `not_trusted`), a corrupted one refused for a reason that names its defect. A certified λ̂ must
//! also be within 3 % and its interval of the long-run value. That value is exact for potentials; for deep linear networks it is Gibbs's over four chains of
//! 20,000 sweeps (`llc dln … --num-steps 20000 --seed 11`, 90 % interval ±0.2 %), or that of eight chains of 12,000 sweeps; for the perceptron it is HMC's.
#![cfg(feature = "torch")]

mod common;

mod slow {
    use std::path::Path;
    use std::process::Command;
    use std::sync::atomic::AtomicBool;

    use llc::config::DlnArgs;
    use llc::estimate::estimate;
    use llc::rng::Key;
    use llc::target::law::{GradientNoise, Law, LawTarget};
    use llc::theory::Toy;
    use llc::theory::sampler_law::QuadraticMode;
    use serde_json::Value;

    use crate::common::Dln;

    /// What a run came to.
    struct Outcome {
        llc: f64,
        half_width: f64,
        verdict: String,
        reasons: Vec<String>,
    }

    /// A run with what it should come to.
    struct Case {
        name: String,
        outcome: Outcome,
        /// The long-run value.
        truth: f64,
        /// Reasons one of which must be given; empty for a good run.
        defect: &'static [&'static str],
        /// Whether `trusted` would say too much.
        is_sloped: bool,
    }

    impl Case {
        /// What is wrong with its verdict.
        fn fault(&self) -> Option<String> {
            let Outcome { llc, half_width, verdict, reasons } = &self.outcome;
            let is_certified = verdict != "not_trusted";
            let off = (llc - self.truth).abs();
            match (self.defect, is_certified) {
                ([], false) => Some(format!("a good run is refused: {reasons:?}")),
                ([], true) if self.is_sloped && verdict == "trusted" => Some("called the coefficient".to_owned()),
                ([], true) if off > 0.03 * self.truth + half_width => Some(format!("certified, and {off:.3} off")),
                ([], true) => None,
                (_, true) => Some("a spoilt run is certified".to_owned()),
                (defect, false) if reasons.iter().any(|reason| defect.contains(&reason.as_str())) => None,
                (defect, false) => Some(format!("refused for {reasons:?}, not for {defect:?}")),
            }
        }
    }

    fn outcome(done: &llc::estimate::Estimation) -> Outcome {
        Outcome {
            llc: done.llc.mean,
            half_width: 0.5 * (done.llc.ci90[1] - done.llc.ci90[0]),
            verdict: done.judgement.verdict.as_str().to_owned(),
            reasons: done.judgement.findings.iter().map(|finding| finding.reason.as_str().to_owned()).collect(),
        }
    }

    const SMALL: (&str, f64) = ("--input-dim 6 --layer-widths 6,6 --truth aligned --rank 2", 15.968);
    const UNEVEN: (&str, f64) = ("--input-dim 6 --layer-widths 8,5 --truth aligned --rank 2", 14.860);
    const ZERO: (&str, f64) = ("--input-dim 6 --layer-widths 8,5 --truth zero", 13.852);
    const SQUARE: (&str, f64) = ("--input-dim 10 --layer-widths 10,10 --truth aligned --rank 5", 46.785);

    fn dln((network, truth): (&str, f64), flags: &str, offset: f64, defect: &'static [&'static str]) -> Case {
        let flags = format!("{network} --threads 2 {flags}");
        let outcome = outcome(&Dln::new(&flags, offset).estimate());
        Case { name: format!("dln {flags}, offset {offset}"), outcome, truth, defect, is_sloped: false }
    }

    const N_BETA: f64 = 1085.7;

    fn potential(
        name: &str,
        law: Law,
        noise: GradientNoise,
        (gamma, truth): (f64, f64),
        flags: &str,
        defect: &'static [&'static str],
    ) -> Case {
        let all = format!("--layer-widths 2 --threads 2 --batch-size 10 --loss-trace minibatch {flags}");
        // Only samplers of minibatches take these.
        let all = if flags.contains("sgld") { all } else { format!("--layer-widths 2 --threads 2 {flags}") };
        let config = DlnArgs::try_parse_from(all.split_whitespace()).unwrap().resolve().unwrap().config;
        let mut target = LawTarget::new(law, noise, N_BETA, gamma).unwrap();
        let chains = config.sampler().chains(config.run(), Key::new(config.seed()), 0.0);
        let sampler = config.sampler().kernel.sampler();
        let cancel = AtomicBool::new(false);
        let done = estimate(&mut target, sampler.as_ref(), &chains, true, &cancel, &mut |_| {}).unwrap();
        Case {
            name: format!("{name} at γ = {gamma}, {flags}"),
            outcome: outcome(&done),
            truth,
            defect,
            is_sloped: false,
        }
    }

    fn toy(toy: Toy, flags: &str, defect: &'static [&'static str]) -> Case {
        let truth = toy.scaled_loss_mean(N_BETA, 1.0).unwrap();
        potential(toy.name(), Law::of(toy), GradientNoise::None, (1.0, truth), flags, defect)
    }

    const CURVATURES: [f64; 6] = [1.0, 4.0, 2.0, 3.0, 0.3, 0.1];

    /// A quadratic of which γ holds a part.
    fn held(gamma: f64, sigma: f64, flags: &str, defect: &'static [&'static str]) -> Case {
        let law = Law::Quadratic { curvatures: CURVATURES.to_vec() };
        let mean = |&h: &f64| QuadraticMode::new(h, N_BETA, gamma).unwrap().scaled_loss_mean();
        let noise = if sigma > 0.0 { GradientNoise::Additive { sigma } } else { GradientNoise::None };
        potential("quadratic", law, noise, (gamma, CURVATURES.iter().map(mean).sum()), flags, defect)
    }

    /// The report of `llc` on a perceptron around 200 images of CIFAR-10.
    fn program(base: &Path, flags: &str) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_llc"));
        command
            .args(flags.split_whitespace())
            .args(["--data-dir", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures")]);
        let output = command.arg("-F").arg(base).args(["--json", "--quiet"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let last =
            text.lines().last().unwrap_or_else(|| panic!("{flags}: {}", String::from_utf8_lossy(&output.stderr)));
        serde_json::from_str(last).unwrap()
    }

    fn of_report(report: &Value) -> Outcome {
        let number = |path: &str| report.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN);
        Outcome {
            llc: number("/llc/mean"),
            half_width: 0.5 * (number("/llc/ci90/1") - number("/llc/ci90/0")),
            verdict: report["verdict"].as_str().unwrap().to_owned(),
            reasons: report["reasons"].as_array().unwrap().iter().map(|r| r.as_str().unwrap().to_owned()).collect(),
        }
    }

    fn perceptrons(cases: &mut Vec<Case>) {
        let base = tempfile::tempdir().unwrap();
        let train = |epochs: u32| {
            let flags = format!(
                "train --model mlp --widths 8 --bias --data cifar10 --crop 8 --optimizer adam --learning-rate 0.01 --num-epochs {epochs} \
                 --batch-size 20 --threads 1"
            );
            let report = program(base.path(), &flags);
            Path::new(report["run_dir"].as_str().unwrap()).join("checkpoint/latest.safetensors")
        };
        let (trained, young) = (train(60), train(3));
        let around = |checkpoint: &Path, flags: &str| {
            let all = format!(
                "estimate --checkpoint {} --n-beta 100 --gamma 30 --threads 2 --threads-per-chain 1 {flags}",
                checkpoint.display()
            );
            of_report(&program(base.path(), &all))
        };
        let own = "--loss-around own-function --check-localisation off";
        let long = around(&trained, &format!("{own} --sampler hmc --num-steps 1200 --seed 5"));
        let runs: [(&str, &'static [&'static str]); 6] = [
            ("--sampler hmc --num-steps 400", &[]),
            ("--batch-size 100 --num-steps 6000", &[]),
            ("--gradient exact --num-steps 4000", &[]),
            ("--batch-size 100 --num-steps 60", &["too_few_effective_draws", "not_equilibrated"]),
            ("--batch-size 2 --epsilon 1e-3 --num-steps 6000 --extrapolate-step off", &["minibatch_noise"]),
            (
                "--gradient exact --epsilon 4e-3 --num-steps 4000 --extrapolate-step off",
                &["step_too_large", "diverged"],
            ),
        ];
        for (flags, defect) in runs {
            let outcome = around(&trained, &format!("{own} {flags}"));
            cases.push(Case {
                name: format!("perceptron {flags}"),
                outcome,
                truth: long.llc,
                defect,
                is_sloped: false,
            });
        }
        let outcome = around(&young, "--loss-around labels --num-steps 2000");
        let name = "perceptron after three epochs, around its labels".to_owned();
        cases.push(Case { name, outcome, truth: f64::NAN, defect: &["not_a_minimum"], is_sloped: false });
    }

    fn all() -> Vec<Case> {
        const FEW: &[&str] = &["too_few_effective_draws", "not_equilibrated"];
        const OPEN: &[&str] = &["not_equilibrated"];
        const STEP: &[&str] = &["step_too_large"];
        const SADDLE: &[&str] = &["not_a_minimum"];
        let mut cases = Vec::new();
        // Good runs on deep linear networks.
        for (network, seeds) in [(SMALL, 1..4), (UNEVEN, 1..4), (ZERO, 1..3), (SQUARE, 1..3)] {
            for seed in seeds {
                cases.push(dln(network, &format!("--seed {seed}"), 0.0, &[]));
            }
        }
        for (network, seed) in [(SMALL, 1), (SMALL, 2), (UNEVEN, 1), (SQUARE, 1)] {
            cases.push(dln(network, &format!("--sampler hmc --seed {seed}"), 0.0, &[]));
        }
        for (n_beta, truth) in [("10", 15.03), ("21.7", 15.30)] {
            let case = dln((SMALL.0, truth), &format!("--n-beta {n_beta} --seed 1"), 0.0, &[]);
            cases.push(Case { is_sloped: true, ..case });
        }
        cases.push(dln(SMALL, "--sampler sgld --batch-size 100 --num-steps 40000 --seed 1", 0.0, &[]));
        // … with one defect each.
        cases.push(dln(SMALL, "--num-steps 12 --seed 1", 0.0, FEW));
        cases.push(dln(SQUARE, "--num-steps 12 --seed 1", 0.0, FEW));
        cases.push(dln(SMALL, "--sampler hmc --num-steps 30 --seed 1", 0.0, FEW));
        cases.push(dln(SMALL, "--sampler sgld --num-steps 60 --seed 1", 0.0, FEW));
        for network in [SMALL, UNEVEN] {
            cases.push(dln(
                network,
                "--sampler sgld --epsilon 1e-9 --num-steps 2000 --warmup 0.25 --seed 1",
                0.0,
                OPEN,
            ));
            cases.push(dln(
                network,
                "--sampler sgld --epsilon 2e-5 --num-steps 20000 --warmup 0.25 --seed 1",
                0.0,
                STEP,
            ));
            cases.push(dln(network, "--sampler sgld --epsilon 1 --num-steps 100 --seed 1", 0.0, &["diverged"]));
            cases.push(dln(network, "--sampler mala --epsilon 1e-2 --num-steps 2000 --seed 1", 0.0, STEP));
        }
        for network in [SMALL, UNEVEN, SQUARE] {
            for offset in [0.03, 0.3] {
                cases.push(dln(network, "--seed 1", offset, SADDLE));
            }
        }
        for n_beta in ["1e7", "1e9"] {
            let flags = format!("--sampler sgld --n-beta {n_beta} --check-localisation off --seed 1");
            cases.push(dln((SMALL.0, 15.97), &flags, 0.0, OPEN));
        }
        let deep = ("--input-dim 6 --layer-widths 6,6,6,6,6,6,6,6 --truth zero", 9.07);
        cases.push(dln(deep, "--sampler hmc --check-localisation off --seed 1", 0.0, OPEN));
        let noisy = "--sampler sgld --batch-size 1 --epsilon 2e-6 --num-steps 20000 --seed 1";
        cases.push(dln(SMALL, noisy, 0.0, &["minibatch_noise", "step_too_large"]));
        // Potentials.
        for law in [Toy::Regular, Toy::FourthPower, Toy::EvenPowers] {
            cases.push(toy(law, "--sampler hmc --num-steps 8000 --seed 1", &[]));
        }
        // HMC hardly gets into the arms of the cross: λ̂ is 6 % too low.
        cases.push(toy(Toy::Crossing, "--sampler hmc --num-steps 8000 --seed 1", OPEN));
        cases.push(toy(Toy::Regular, "--sampler gibbs --seed 1", &[]));
        cases.push(toy(Toy::Crossing, "--sampler gibbs --seed 1", &[]));
        cases.push(toy(Toy::Regular, "--sampler mala --num-steps 8000 --seed 1", &[]));
        cases.push(toy(Toy::Regular, "--sampler hmc --num-steps 20 --seed 1", FEW));
        for gamma in [1.0, 300.0, 3000.0] {
            cases.push(held(gamma, 0.0, "--sampler hmc --num-steps 8000 --seed 1", &[]));
            cases.push(held(gamma, 0.0, "--sampler gibbs --seed 1", &[]));
        }
        cases.push(held(300.0, 0.0, "--sampler mala --num-steps 20000 --seed 1", &[]));
        cases.push(held(300.0, 0.0, "--sampler sgld --num-steps 40000 --seed 1", &[]));
        cases.push(held(
            300.0,
            0.05,
            "--sampler sgld --epsilon 1e-4 --num-steps 60000 --extrapolate-step on --seed 1",
            &[],
        ));
        cases.push(held(300.0, 0.0, "--sampler sgld --epsilon 4e-4 --num-steps 20000 --seed 1", STEP));
        let noisy = "--sampler sgld --epsilon 1e-4 --num-steps 20000 --seed 1";
        cases.push(held(300.0, 0.2, noisy, &["minibatch_noise"]));
        perceptrons(&mut cases);
        cases
    }

    /// The share has a spread of 1.4 % over 400 runs at 92 %, so that 86 and 97 % are four and three and a half spreads away; an interval of the
    /// wider of two at 90 % each covered 293 of 300.
    #[test]
    #[ignore = "slow: a minute of sampling"]
    fn the_90_percent_interval_covers_the_long_run_value_as_often_as_it_claims() {
        for (flags, num_draws) in [("--sampler gibbs", 100), ("--sampler gibbs", 400), ("--sampler hmc", 400)] {
            let num_runs = 400;
            let covers = |seed: &u32| {
                let flags = format!(
                    "{} {flags} --num-steps {num_draws} --check-localisation off --threads 2 --seed {seed}",
                    SMALL.0
                );
                let Outcome { llc, half_width, .. } = outcome(&Dln::new(&flags, 0.0).estimate());
                (llc - SMALL.1).abs() <= half_width
            };
            let share = (1..=num_runs).filter(covers).count() as f64 / f64::from(num_runs);
            println!("{flags}, {num_draws} draws: {share}");
            assert!((0.86..=0.97).contains(&share), "{flags}, {num_draws} draws: {share}");
        }
    }

    /// Two wrong verdicts of sixty are allowed, so that a threshold need not be fitted to a seed.
    #[test]
    #[ignore = "slow: two minutes of sampling"]
    fn of_the_runs_whose_outcome_is_known_all_but_two_are_judged_right() {
        let cases = all();
        let mut faults = Vec::new();
        for case in &cases {
            let Outcome { llc, half_width, verdict, reasons } = &case.outcome;
            let fault = case.fault();
            println!(
                "{:<9} {llc:>8.3} ± {half_width:<7.3} ({:>7.3})  {verdict} {}  {}",
                if fault.is_some() { "WRONG" } else { "right" },
                case.truth,
                reasons.join(","),
                case.name
            );
            faults.extend(fault.map(|fault| format!("{}: {fault}", case.name)));
        }
        assert!(cases.len() >= 60, "{} runs", cases.len());
        assert!(faults.len() <= 2, "{} of {}:\n{}", faults.len(), cases.len(), faults.join("\n"));
    }
}
