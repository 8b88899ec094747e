//! Opens runs with the readers that others use, incense and ArviZ, and compares what they see with what was drawn.

mod slow {
    use std::env;
    use std::ops::Range;
    use std::path::Path;
    use std::process::Command;

    use llc::observe::file_tree::FileTreeObserver;
    use llc::observe::{DrawBlock, Event, Observer, RunInfo, Status};
    use serde_json::{Value, json};

    const NUM_WARMUP: usize = 300;
    const NUM_DRAWS: usize = 2500;

    /// A loss that differs at every draw of every chain, without any randomness.
    fn loss(chain: usize, draw: usize) -> f64 {
        0.5 + (1.7 * draw as f64 + chain as f64).sin() / 8.0
    }

    fn block(chain: usize, draws: Range<usize>) -> DrawBlock {
        DrawBlock {
            loss: draws.clone().map(|draw| loss(chain, draw)).collect(),
            distance: draws.clone().map(|draw| draw as f64).collect(),
            acceptance: draws.map(|draw| if draw % 2 == 0 { 0.25 } else { 0.75 }).collect(),
            ..DrawBlock::default()
        }
    }

    /// Writes a run with as many draws in each chain as `num_draws` says.
    fn write_run(base: &Path, num_draws: [usize; 2], status: Status) {
        let info = RunInfo {
            name: "synthetic".to_owned(),
            command: "dln".to_owned(),
            config: json!({"seed": 7, "sampler": {"gamma": 2.5}}),
            config_updates: json!({"seed": 7}),
            comment: Some("a run with λ known".to_owned()),
            num_chains: 2,
            num_draws: NUM_DRAWS,
            num_warmup: NUM_WARMUP,
            num_parameters: 3,
            n_beta: 80.0,
            init_loss: 0.125,
            ..RunInfo::default()
        };
        let mut observer = FileTreeObserver::create(base).unwrap();
        observer.on_event(&Event::Started(&info)).unwrap();
        for first_draw in (0..NUM_DRAWS).step_by(90) {
            for (chain, &num_draws) in num_draws.iter().enumerate() {
                let draws = first_draw..(first_draw + 90).min(num_draws).max(first_draw);
                let event = Event::Draws { chain, first_draw, block: &block(chain, draws) };
                observer.on_event(&event).unwrap();
            }
        }
        let report = json!({"llc": {"mean": 30.25}});
        observer.on_event(&Event::Ended { status, report: Some(&report), fail_trace: &[] }).unwrap();
    }

    /// What Python sees of the run in `run_dir`.
    fn python(run_dir: &Path) -> Value {
        let python = env::var("LLC_TEST_PYTHON").expect(
            "LLC_TEST_PYTHON must name a Python with tests/requirements.txt: run `./x test slow`, which makes one",
        );
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers.py");
        let output =
            Command::new(python).arg(script).arg(run_dir).output().expect("the Python of LLC_TEST_PYTHON starts");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(text.lines().last().unwrap_or_default()).expect("readers.py prints JSON in its last line")
    }

    /// Checks `[chain][draw]` as Python gives it back; a chain that ended early continues in `null`.
    fn assert_draws(seen: &Value, num_draws: [usize; 2], draws: Range<usize>, value: fn(usize, usize) -> f64) {
        for (chain, &num_draws) in num_draws.iter().enumerate() {
            assert_eq!(seen[chain].as_array().map(Vec::len), Some(draws.len()));
            for (i, draw) in draws.clone().enumerate() {
                let expected = (draw < num_draws).then(|| value(chain, draw));
                assert_eq!(seen[chain][i].as_f64(), expected, "chain {chain}, draw {draw}");
            }
        }
    }

    #[test]
    #[ignore = "slow: needs Python readers in a venv"]
    fn incense_and_arviz_see_the_numbers_of_a_completed_run() {
        let base = tempfile::tempdir().unwrap();
        let all = [NUM_DRAWS; 2];
        write_run(base.path(), all, Status::Completed);
        let seen = python(&base.path().join("1"));

        let incense = &seen["incense"];
        assert_eq!(incense["status"], "COMPLETED");
        assert_eq!((&incense["result"], &incense["seed"], &incense["gamma"]), (&json!(30.25), &json!(7), &json!(2.5)));
        assert_eq!(incense["name"], "synthetic");
        assert_eq!(incense["artifacts"], json!(["info.json", "report.json"]));
        let steps: Vec<usize> = (0..NUM_DRAWS).step_by(3).collect();
        let values: Vec<f64> = steps.iter().map(|&draw| loss(1, draw)).collect();
        assert_eq!(incense["metrics"]["loss_1"], json!({"steps": steps, "values": values}));
        let mean = |chain| (NUM_WARMUP..NUM_DRAWS).map(|draw| loss(chain, draw)).sum::<f64>() / 2200.0;
        let llc = 80.0 * ((mean(0) + mean(1)) / 2.0 - 0.125);
        let last = incense["metrics"]["llc"]["values"].as_array().unwrap().last().unwrap().as_f64().unwrap();
        assert!((last - llc).abs() < 1e-9, "{last} is not {llc}");

        let groups = &seen["arviz"]["groups"];
        let names: Vec<&String> = groups.as_object().unwrap().keys().collect();
        assert_eq!(names, ["posterior", "sample_stats", "warmup_posterior", "warmup_sample_stats"]);
        let (warmup, kept) = (0..NUM_WARMUP, NUM_WARMUP..NUM_DRAWS);
        for (prefix, draws) in [("warmup_", warmup), ("", kept)] {
            let posterior = &groups[format!("{prefix}posterior")];
            assert_draws(&posterior["variables"]["loss"], all, draws.clone(), loss);
            assert_draws(&posterior["variables"]["distance"], all, draws.clone(), |_, draw| draw as f64);
            assert_eq!(posterior["draw"], json!(draws.clone().collect::<Vec<_>>()));
            assert_eq!(posterior["chain"], json!([0, 1]));
            assert_eq!(posterior["dims"]["loss"], json!(["chain", "draw"]));
            let acceptance = |_, draw: usize| if draw.is_multiple_of(2) { 0.25 } else { 0.75 };
            let stats = &groups[format!("{prefix}sample_stats")];
            assert_draws(&stats["variables"]["acceptance"], all, draws, acceptance);
        }
        let mean_loss = seen["arviz"]["summary"]["mean"].as_f64().unwrap();
        assert!((80.0 * (mean_loss - 0.125) - llc).abs() < 1e-9);
        assert!(seen["arviz"]["summary"]["r_hat"].is_number());
        assert_eq!(seen["arviz"]["n_beta"], 80.0);
    }

    #[test]
    #[ignore = "slow: needs Python readers in a venv"]
    fn incense_and_arviz_open_an_interrupted_run_with_chains_of_unequal_length() {
        let base = tempfile::tempdir().unwrap();
        let num_draws = [2000, 1500];
        write_run(base.path(), num_draws, Status::Interrupted);
        let seen = python(&base.path().join("1"));
        assert_eq!(seen["incense"]["status"], "INTERRUPTED");
        let posterior = &seen["arviz"]["groups"]["posterior"];
        assert_draws(&posterior["variables"]["loss"], num_draws, NUM_WARMUP..2000, loss);
        assert_eq!(posterior["draw"], json!((NUM_WARMUP..2000).collect::<Vec<_>>()));
    }

    #[test]
    #[ignore = "slow: needs Python readers in a venv"]
    fn incense_and_arviz_open_a_run_interrupted_in_its_warm_up() {
        let base = tempfile::tempdir().unwrap();
        let num_draws = [200, 0];
        write_run(base.path(), num_draws, Status::Interrupted);
        let groups = &python(&base.path().join("1"))["arviz"]["groups"];
        assert_eq!(groups["posterior"]["variables"]["loss"], json!([[], []]));
        assert_draws(&groups["warmup_posterior"]["variables"]["loss"], num_draws, 0..200, loss);
    }
}
