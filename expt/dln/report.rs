//! Lays out what is said of each point that a run samples around: w*, and the trained one.

use llc::config::DlnConfig;
use llc::config::dln::Estimator;
use llc::config::{LossTrace, Switch};
use llc::dln::known::Known;
use llc::estimate::Estimation;
use llc::hessian_trace::HessianTrace;
use llc::report::dln::{self, Point};
use llc::report::{Estimate, Lambda};
use llc::theory::{LearningCoefficient, Rational};
use llc::verdict::MIN_ESS_PER_CHAIN;
use llc::wbic_slope::WbicSlope;
use num_traits::ToPrimitive;

use super::measured::Measured;

/// What the report says of one point, the same at every point; what was not asked for is not there.
pub fn point(config: &DlnConfig, done: &Estimation, measured: Measured) -> Point {
    let mut estimate = Estimate::from(done);
    let notes = &mut estimate.judgement.notes;
    let llc_wbic_slope = (config.measure().estimator == Estimator::WbicSlope).then(|| {
        let slope = WbicSlope::new(&done.loss, config.n_beta(), config.data().num_training_data as f64);
        notes.extend(slope_notes(config, &slope));
        slope
    });
    let distance_per_layer = (config.measure().distance == Switch::On).then(|| done.distance_per_tensor.clone());
    if distance_per_layer == Some(None) && done.is_interrupted {
        notes.push("the distance by layer was not computed: the chains were interrupted at different draws".to_owned());
    }
    notes.extend(measured.notes);
    let trace = |HessianTrace { mean, mcse, num_probes }| dln::HessianTrace { mean, mcse, num_probes };
    Point {
        estimate,
        llc_wbic_slope,
        distance_per_layer,
        functional_rank: measured.functional_rank,
        hessian_trace: measured.hessian_trace.map(|found| found.map(trace)),
    }
}

/// What the report says of λ.
pub fn known(known: &Known) -> dln::Known {
    let end = |bound: &Rational| bound.to_f64().unwrap_or(f64::NAN);
    dln::Known {
        lambda: lambda(&known.coefficient, known.is_local),
        lambda_bounds: [end(&known.bounds.lower), end(&known.bounds.upper)],
        rank_true: known.rank,
        rank_resolved: known.rank_resolved,
    }
}

/// λ as reports have it; `is_local` where it is that of the point.
pub fn lambda(coefficient: &LearningCoefficient, is_local: bool) -> Lambda {
    Lambda {
        lambda_true: coefficient.lambda_f64(),
        lambda_true_exact: coefficient.lambda.to_string(),
        lambda_true_is_local: is_local,
        multiplicity: coefficient.multiplicity,
    }
}

fn slope_notes(config: &DlnConfig, slope: &WbicSlope) -> Vec<String> {
    let mut notes = Vec::new();
    let (least, needed) = (slope.smallest_ess_weights, MIN_ESS_PER_CHAIN * slope.per_chain.len() as f64);
    if least.is_nan() {
        notes.push(
            "the number of independent draws of the slope is unknown: there are too few, or all are equal".to_owned(),
        );
    } else if least < needed {
        notes.push(format!(
            "the slope has about {least:.0} independent draws at its outermost β ({needed:.0} needed), and is biased \
             low; more steps help, but the number needed grows exponentially with λ"
        ));
    }
    if config.sampler().loss_trace != LossTrace::Full {
        notes.push(
            "the slope uses the variance of the losses, which minibatches increase: use --loss-trace full".to_owned(),
        );
    }
    notes
}
