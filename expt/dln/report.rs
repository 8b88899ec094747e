//! Lays out what is said of each point that a run samples around: w*, and the trained one.

use llc::config::DlnConfig;
use llc::config::dln::Estimator;
use llc::config::{LossTrace, Switch};
use llc::estimate::Estimation;
use llc::verdict::MIN_ESS_PER_CHAIN;
use llc::wbic_slope::WbicSlope;
use serde_json::{Value, json};

use super::measured::Measured;
use crate::estimation;

/// What the report says of one point, the same at every point; what was not asked for is not there.
pub fn point(config: &DlnConfig, done: &Estimation, measured: Measured) -> Value {
    let mut notes = done.judgement.notes.clone();
    let mut report = estimation::report(done);
    if config.measure().estimator == Estimator::WbicSlope {
        let n = config.data().num_training_data as f64;
        let slope = WbicSlope::new(&done.loss, config.n_beta(), n);
        notes.extend(slope_notes(config, &slope));
        report["llc_wbic_slope"] = json!(slope);
    }
    if config.measure().distance == Switch::On {
        report["distance_per_layer"] = json!(done.distance_per_tensor);
        if done.distance_per_tensor.is_none() && done.is_interrupted {
            notes.push("the distance by layer was left out: the chains were interrupted at different draws".to_owned());
        }
    }
    if let Some(rank) = measured.functional_rank {
        report["functional_rank"] = json!(rank);
    }
    if let Some(trace) = measured.hessian_trace {
        report["hessian_trace"] = json!(trace);
    }
    notes.extend(measured.notes);
    report["notes"] = json!(notes);
    report
}

fn slope_notes(config: &DlnConfig, slope: &WbicSlope) -> Vec<String> {
    let mut notes = Vec::new();
    let (least, wanted) = (slope.smallest_ess_weights, MIN_ESS_PER_CHAIN * slope.per_chain.len() as f64);
    if least.is_nan() {
        notes.push(
            "how many independent draws the slope rests on could not be told: there are too few, or all alike"
                .to_owned(),
        );
    } else if least < wanted {
        notes.push(format!(
            "the slope rests on about {least:.0} independent draws at its outermost temperature ({wanted:.0} wanted), and is biased low; \
             more steps help, but the number needed grows exponentially with λ"
        ));
    }
    if config.sampler().loss_trace != LossTrace::Full {
        notes.push(
            "the slope reads the variance of the losses, to which minibatches add their own: take --loss-trace full"
                .to_owned(),
        );
    }
    notes
}
