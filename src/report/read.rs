//! Reads reports that any version of `llc` wrote: the one place that knows where names and shapes changed.
//!
//! [`found`] reads the whole report of one experiment, [`Said`] what reports of all of them may say.
//!
//! | quantity | names and shapes |
//! |---|---|
//! | λ̂ | `llc` with `mean`, `mcse` and `ci90`; over seeds with `standard_error`; of one chain a number, with `llc_mcse` and `ci90` beside it |
//! | λ | `lambda_true`; `lambda_exact` over a training |
//! | parameters | `d`, those that are sampled; `num_parameters`, all of them; often only one of the two |
//! | network | `network`, a name or the widths; `model`, a name with options |
//! | R-hat | `diagnostics.rhat`; `rhat` over a training |
//! | seconds | `timing.sampling_s`; `sampling_s`, `seconds` |

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::Value;

/// What the report of a run of `experiment` found; `None` where it is of another experiment, or can't be read.
pub fn found<R: DeserializeOwned>(report: Option<&Value>, experiment: &str) -> Option<R> {
    let report = report.filter(|report| report["experiment"] == experiment)?;
    R::deserialize(report).ok()
}

/// What a report says, or the part of one about a point; all of it may be missing.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub struct Said {
    llc: Option<Llc>,
    llc_mcse: Option<f64>,
    ci90: Option<[Option<f64>; 2]>,
    /// The word of the verdict.
    pub verdict: Option<String>,
    pub reasons: Vec<String>,
    pub explanations: Vec<String>,
    pub notes: Vec<String>,
    pub diagnostics: Diagnostics,
    rhat: Option<f64>,
    timing: Timing,
    #[serde(alias = "seconds", deserialize_with = "number")]
    sampling_s: Option<f64>,
    d: Option<f64>,
    num_parameters: Option<f64>,
    network: Network,
    /// λ, where it is known.
    #[serde(alias = "lambda_exact")]
    pub lambda_true: Option<f64>,
    pub lambda_true_is_local: bool,
    pub lambda_at_n_beta: Option<f64>,
    pub multiplicity: Option<u64>,
    pub rank_true: Option<u64>,
    pub relative_error: Option<f64>,
    pub n_beta: Option<f64>,
    /// L_n(w*).
    pub init_loss: Option<f64>,
    pub num_draws: Option<u64>,
    pub num_warmup: Option<u64>,
    /// Where a point is.
    pub step: Option<u64>,
    pub t: Option<f64>,
    pub index: Option<u64>,
    pub train_loss: Option<f64>,
    pub test_loss: Option<f64>,
    pub test_accuracy: Option<f64>,
    /// The points of a report that has several.
    pub points: Vec<Said>,
    /// The rungs of a ladder of scales; empty where it has none yet.
    pub rungs: Option<Vec<Said>>,
    /// The point where a training ended.
    pub trained: Option<Box<Said>>,
}

/// λ̂ with its errors, as far as they are finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimated {
    pub mean: f64,
    pub mcse: Option<f64>,
    pub ci90: Option<[f64; 2]>,
}

/// λ̂ in either shape.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(untagged)]
enum Llc {
    Number(f64),
    WithErrors {
        mean: Option<f64>,
        #[serde(default, alias = "standard_error")]
        mcse: Option<f64>,
        #[serde(default)]
        ci90: Option<[Option<f64>; 2]>,
    },
}

/// The network in either shape.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(untagged)]
enum Network {
    Widths(Vec<u64>),
    Name(String),
    #[default]
    Unknown,
}

/// Diagnostics, as far as they are finite.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub struct Diagnostics {
    rhat: Option<f64>,
    pub rhat_distance: Option<f64>,
    pub ess_bulk: Option<f64>,
    pub ess_tail: Option<f64>,
    pub acceptance: Option<f64>,
    pub virial: Option<f64>,
    pub variance_ratio: Option<f64>,
    pub radius: Option<f64>,
}

#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
struct Timing {
    sampling_s: Option<f64>,
}

/// A number; `None` for anything else, such as a mean over seeds.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_f64())
}

impl Said {
    /// What `report` says, a whole one or the part about a point; nothing where it can't be read.
    pub fn of(report: Option<&Value>) -> Self {
        report.and_then(|report| Self::deserialize(report).ok()).unwrap_or_default()
    }

    /// λ̂; `None` where there is no finite one.
    pub fn llc(&self) -> Option<Estimated> {
        let (mean, mcse, ci90) = match self.llc.as_ref()? {
            Llc::Number(mean) => (*mean, self.llc_mcse, self.ci90),
            Llc::WithErrors { mean, mcse, ci90 } => ((*mean)?, *mcse, *ci90),
        };
        let ci90 = ci90.and_then(|[low, high]| Some([low?, high?]));
        Some(Estimated { mean, mcse, ci90 })
    }

    /// Parameters that are sampled, or all of them where it says no more.
    pub fn d(&self) -> Option<f64> {
        self.d.or(self.num_parameters)
    }

    /// All parameters, or those that are sampled where it says no more.
    pub fn num_parameters(&self) -> Option<f64> {
        self.num_parameters.or(self.d)
    }

    /// The network's widths, input first; `None` where it is another kind of network.
    pub fn widths(&self) -> Option<&[u64]> {
        match &self.network {
            Network::Widths(widths) => Some(widths),
            _ => None,
        }
    }

    /// R-hat of the loss.
    pub fn rhat(&self) -> Option<f64> {
        self.diagnostics.rhat.or(self.rhat)
    }

    /// Seconds of sampling.
    pub fn sampling_s(&self) -> Option<f64> {
        self.timing.sampling_s.or(self.sampling_s)
    }

    /// The part that stands for the run's estimate: the last point of what follows λ̂ over steps or along a path, else the report itself.
    /// A table of many estimates has no one that stands for the run.
    pub fn final_point(&self) -> &Self {
        self.points.last().filter(|point| point.step.is_some() || point.t.is_some()).unwrap_or(self)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use serde::Serialize;
    use serde_json::json;

    use super::*;
    use crate::report::{Report, dln, kernel_regression, network, paths, profile, saddle, toy, training, trials};

    /// What is in `old` and not in `new`, where `new` may have more keys.
    fn lost(old: &Value, new: &Value, path: &str) -> Vec<String> {
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => {
                let of = |(key, value): (&String, &Value)| match new.get(key) {
                    Some(found) => lost(value, found, &format!("{path}/{key}")),
                    None if value.is_null() => Vec::new(),
                    None => vec![format!("{path}/{key}")],
                };
                old.iter().flat_map(of).collect()
            }
            (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
                let pairs = old.iter().zip(new).enumerate();
                pairs.flat_map(|(i, (old, new))| lost(old, new, &format!("{path}/{i}"))).collect()
            }
            _ if old.as_f64() == new.as_f64() && (old == new || old.is_number()) => Vec::new(),
            _ => vec![format!("{path}: {old} against {new}")],
        }
    }

    fn written_back<R: Serialize + DeserializeOwned>(report: &Value) -> Value {
        let read: Report<R> = serde_json::from_value(report.clone()).unwrap();
        json!(read)
    }

    #[test]
    fn records_of_version_0_1_0_are_read_as_structs_and_nothing_of_them_is_lost() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/records");
        let mut num_read = 0;
        for run in fs::read_dir(folder).unwrap() {
            let Ok(text) = fs::read_to_string(run.unwrap().path().join("report.json")) else { continue };
            let report: Value = serde_json::from_str(&text).unwrap();
            let again = match report["experiment"].as_str().unwrap() {
                "dln" => written_back::<dln::Dln>(&report),
                "estimate" if report["points"].is_null() => written_back::<network::Network>(&report),
                "curve" | "estimate" => written_back::<network::Curve>(&report),
                "profile" => written_back::<profile::Profile>(&report),
                "saddle" => written_back::<saddle::Saddle>(&report),
                "toy" => written_back::<toy::Toys>(&report),
                "rescaling" => written_back::<trials::Rescaling>(&report),
                "mala-vs-sgld" => written_back::<trials::Comparison>(&report),
                "train" => written_back::<training::Training>(&report),
                "descent" => written_back::<training::Descent>(&report),
                "noisy-weights" => written_back::<training::NoisyWeights>(&report),
                "kernel-regression" => written_back::<kernel_regression::KernelRegression>(&report),
                "paths" => written_back::<paths::Paths>(&report),
                other => panic!("{other}"),
            };
            // No version that was released wrote it.
            let lost = lost(&report, &again, "").into_iter().filter(|path| !path.ends_with("/unsettled_shift"));
            assert_eq!(lost.collect::<Vec<_>>(), Vec::<String>::new(), "{}", report["experiment"]);
            num_read += 1;
        }
        assert!(num_read > 30, "{num_read}");
    }

    #[test]
    fn every_name_and_shape_of_a_quantity_is_read() {
        let said = |report: Value| Said::of(Some(&report));
        let expected = Some(Estimated { mean: 2.0, mcse: Some(0.5), ci90: Some([1.0, 3.0]) });
        let ci90 = [1.0, 3.0];
        assert_eq!(said(json!({"llc": {"mean": 2.0, "mcse": 0.5, "ci90": ci90}})).llc(), expected);
        assert_eq!(said(json!({"llc": {"mean": 2.0, "standard_error": 0.5, "ci90": ci90}})).llc(), expected);
        assert_eq!(said(json!({"llc": 2.0, "llc_mcse": 0.5, "ci90": ci90})).llc(), expected);
        assert_eq!(said(json!({"llc": {"mean": null, "mcse": null, "ci90": null}})).llc(), None);
        assert_eq!(said(json!({"d": 3})).num_parameters(), said(json!({"num_parameters": 3})).d());
        assert_eq!(said(json!({"network": [2, 3]})).widths(), Some(&[2, 3][..]));
        assert_eq!(said(json!({"network": "mlp", "rhat": 1.5})).widths(), None);
        assert_eq!(said(json!({"rhat": 1.5})).rhat(), said(json!({"diagnostics": {"rhat": 1.5}})).rhat());
        assert_eq!(
            said(json!({"seconds": 1.5})).sampling_s(),
            said(json!({"timing": {"sampling_s": 1.5}})).sampling_s()
        );
        assert_eq!(said(json!({"lambda_exact": 1.5})).lambda_true, said(json!({"lambda_true": 1.5})).lambda_true);
    }
}
