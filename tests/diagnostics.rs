//! Compares the diagnostics with those of ArviZ on the series of tests/fixtures/diagnostics.py.

use llc::diagnostics::{Draws, ess_bulk, ess_mean, ess_sd, ess_tail, mcse_mean, mcse_sd, quantile, rhat};
use serde_json::Value;

fn fixtures() -> Vec<(String, Draws, Value)> {
    let records: Vec<Value> = serde_json::from_str(include_str!("fixtures/diagnostics.json")).unwrap();
    records
        .into_iter()
        .map(|record| {
            let chains: Vec<Vec<f64>> = serde_json::from_value(record["chains"].clone()).unwrap();
            (record["name"].as_str().unwrap().to_owned(), Draws::new(&chains), record)
        })
        .collect()
}

/// The constant series apart, for which this crate, like posterior, has no answer.
#[test]
fn every_number_equals_that_of_arviz() {
    let mut num_compared = 0;
    for (name, draws, record) in fixtures().into_iter().filter(|(name, ..)| name != "constant") {
        let ours = [
            ("rhat", rhat(&draws)),
            ("ess_bulk", ess_bulk(&draws)),
            ("ess_tail", ess_tail(&draws)),
            ("ess_mean", ess_mean(&draws)),
            ("ess_sd", ess_sd(&draws)),
            ("mcse_mean", mcse_mean(&draws)),
            ("mcse_sd", mcse_sd(&draws)),
        ];
        for (what, value) in ours {
            match record[what].as_f64() {
                Some(expected) => {
                    let relative = (value / expected - 1.0).abs();
                    assert!(relative < 1e-8, "{what} of {name}: {value} for {expected}");
                    num_compared += 1;
                }
                // ArviZ gives no R-hat of one chain; posterior and this crate compare its halves.
                None if name == "single_chain" => assert!(what == "rhat" && value.is_finite()),
                None => assert!(value.is_nan(), "{what} of {name}: {value} for NaN"),
            }
        }
        for (p, expected) in [0.05, 0.25, 0.5, 0.95].into_iter().zip(record["quantiles"].as_array().unwrap()) {
            let expected = expected.as_f64().unwrap();
            assert!((quantile(&draws, p) - expected).abs() <= 1e-12 * expected.abs(), "quantile {p} of {name}");
        }
    }
    assert!(num_compared > 150, "only {num_compared} numbers were compared");
}

#[test]
fn a_constant_has_no_diagnostics_where_arviz_counts_its_draws() {
    let (_, draws, record) = fixtures().into_iter().find(|(name, ..)| name == "constant").unwrap();
    assert_eq!(record["ess_bulk"].as_f64(), Some(80.0));
    assert!(rhat(&draws).is_nan() && ess_bulk(&draws).is_nan() && mcse_mean(&draws).is_nan());
}
