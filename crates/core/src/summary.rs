//! Sums up the kept draws of several chains: λ̂ with its error, and the diagnostics that a verdict rests on.

use crate::diagnostics::{
    Draws, Estimate, Trend, ess_bulk, ess_tail, gamma_sensitivity, gamma_sensitivity_by_pull, mean_interval, rhat,
    slope, trend, variance_ratio, virial_ratio,
};
use crate::llc::LlcEstimate;
use crate::verdict::is_below;

/// The kept draws of one chain.
#[derive(Debug, Clone, Default)]
pub struct KeptDraws {
    /// Loss of each draw.
    pub loss: Vec<f64>,
    /// ‖w − w*‖ of each draw.
    pub distance: Vec<f64>,
    /// Acceptance of each draw; NaN where none was computed.
    pub acceptance: Vec<f64>,
    /// Virial terms (w − w*)·∇U per tensor, a row per recorded draw.
    pub virial: Vec<Vec<f64>>,
    /// What gradients say at the same draws.
    pub gradients: Vec<GradientRow>,
}

/// What gradients say at one of the kept draws; `src/chain/gradients.rs` has the formulas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GradientRow {
    /// ‖w − w*‖².
    pub squared_distance: f64,
    /// nβ·(L(w) − L(w*)), on a batch that the pull has not seen.
    pub excess: f64,
    /// nβ·(w − w*)·∇L.
    pub pull: f64,
    /// What the step size adds to λ̂; NaN for a kernel whose law does not depend on it.
    pub step_bias: f64,
    /// What the noise of minibatches adds to λ̂; NaN likewise.
    pub minibatch_bias: f64,
}

/// The density that the draws are from.
#[derive(Debug, Clone)]
pub struct Density {
    /// nβ, the factor of the mean loss.
    pub n_beta: f64,
    /// γ, the strength of the localisation.
    pub gamma: f64,
    /// L_n(w*).
    pub init_loss: f64,
    /// Name and number of elements of each tensor.
    pub tensors: Vec<(String, usize)>,
}

impl Density {
    /// Number of parameters d.
    pub fn num_parameters(&self) -> usize {
        self.tensors.iter().map(|(_, len)| len).sum()
    }
}

/// What is known of how well the draws represent the density. NaN means that a number could not be computed, and never counts
/// in favour.
#[derive(Debug, Clone)]
pub struct Diagnostics {
    /// Rank-normalised split R-hat of the loss.
    pub rhat: f64,
    /// The same of the distance from w*: flat directions settle last.
    pub rhat_distance: f64,
    /// Bulk effective sample size of the loss, over all chains.
    pub ess_bulk: f64,
    /// Tail effective sample size of the loss, over all chains.
    pub ess_tail: f64,
    /// Mean Metropolis acceptance; none where the sampler makes none.
    pub acceptance: Option<f64>,
    /// Σ(w − w*)·∇U/d over all parameters: 1 at equilibrium.
    pub virial: Estimate,
    /// The same for each tensor, by name.
    pub virial_per_tensor: Vec<(String, Estimate)>,
    /// Variance over mean of nβ(L − L_n(w*)): 1 at equilibrium where γ is weak (Gamma law).
    pub variance_ratio: Estimate,
    /// Drift of λ̂ between the halves of the kept draws, in units of λ̂.
    pub trend: Trend,
    /// Drift of ‖w − w*‖² between the halves, in units of ‖w − w*‖².
    pub trend_distance: Trend,
    /// dλ̂/dlnγ: to first order minus what the localisation takes from λ̂.
    pub gamma_sensitivity: Estimate,
    /// What the step size adds to λ̂, in its unit, to first order in ε; none where the sampler's law does not depend on it.
    pub step_bias: Option<Estimate>,
    /// What the noise of the minibatches adds to λ̂, in its unit and to first order in ε; none likewise.
    pub minibatch_bias: Option<Estimate>,
    /// Slope of λ̂ over ln ‖w − w*‖² among the draws.
    pub distance_slope: Estimate,
    /// How far E ln ‖w − w*‖² may still be from where it settles; infinite where too much is missing to say.
    pub distance_open: f64,
    /// Half the width of the 90 % interval of E‖w − w*‖², relative to it.
    pub distance_error: f64,
    /// √E‖w − w*‖²: the radius of the region that λ̂ describes.
    pub radius: f64,
    /// γ·E‖w − w*‖²/d: the share of the directions that the localisation holds, not the loss.
    pub held_by_gamma: f64,
}

/// λ̂ and the diagnostics of the kept draws of `chains`; chains of unequal length are cut to the shortest.
pub fn summarise(chains: &[KeptDraws], density: &Density) -> (LlcEstimate, Diagnostics) {
    let column = |f: fn(&KeptDraws) -> &Vec<f64>| Draws::new(&chains.iter().map(f).collect::<Vec<_>>());
    let loss = column(|chain| &chain.loss);
    let distance = column(|chain| &chain.distance);
    let squares = distance.map(|r| r * r);
    let llc = LlcEstimate::new(&loss, density.init_loss, density.n_beta);
    let excess = loss.map(|loss| density.n_beta * (loss - density.init_loss));
    let accepted: Vec<f64> =
        chains.iter().flat_map(|chain| &chain.acceptance).copied().filter(|a| !a.is_nan()).collect();
    let d = density.num_parameters();
    let virial_of = |terms: &dyn Fn(&Vec<f64>) -> f64| {
        Draws::new(&chains.iter().map(|c| c.virial.iter().map(terms).collect::<Vec<f64>>()).collect::<Vec<_>>())
    };
    let virial_per_tensor = density
        .tensors
        .iter()
        .enumerate()
        .map(|(index, (name, len))| (name.clone(), virial_ratio(&virial_of(&|row| row[index]), *len)));
    let virial = virial_ratio(&virial_of(&|row| row.iter().sum()), d);
    let of_rows = |f: fn(&GradientRow) -> f64| {
        Draws::new(&chains.iter().map(|c| c.gradients.iter().map(f).collect::<Vec<f64>>()).collect::<Vec<_>>())
    };
    let bias = |f: fn(&GradientRow) -> f64| {
        let draws = of_rows(f);
        let known = || {
            if draws.is_constant() { Estimate { value: draws.mean(), mcse: 0.0 } } else { Estimate::of_mean(&draws) }
        };
        // Without minibatches there is no noise: a constant, known without error.
        draws.mean().is_finite().then(known)
    };
    let by_distance = gamma_sensitivity(&loss, &distance, density.n_beta, density.gamma);
    let by_pull = gamma_sensitivity_by_pull(&of_rows(|row| row.excess), &of_rows(|row| row.pull));
    let half_width = {
        let [low, high] = mean_interval(&squares, 0.9);
        0.5 * (high - low)
    };
    let diagnostics = Diagnostics {
        rhat: rhat(&loss),
        rhat_distance: rhat(&distance),
        ess_bulk: ess_bulk(&loss),
        ess_tail: ess_tail(&loss),
        acceptance: (!accepted.is_empty()).then(|| accepted.iter().sum::<f64>() / accepted.len() as f64),
        virial,
        virial_per_tensor: virial_per_tensor.collect(),
        variance_ratio: variance_ratio(&loss, density.init_loss, density.n_beta),
        trend: relative(trend(&excess), llc.mean),
        trend_distance: relative(trend(&squares), squares.mean()),
        // Both have the same mean; which is the sharper depends on how many directions γ holds.
        gamma_sensitivity: if by_pull.mcse < by_distance.mcse { by_pull } else { by_distance },
        step_bias: bias(|row| row.step_bias),
        minibatch_bias: bias(|row| row.minibatch_bias),
        distance_slope: slope(&excess, &squares.map(f64::ln)),
        distance_open: distance_open(squares.mean(), half_width, virial, density),
        distance_error: half_width / squares.mean(),
        radius: squares.mean().sqrt(),
        held_by_gamma: density.gamma * squares.mean() / d as f64,
    };
    (llc, diagnostics)
}

/// How many times E‖w − w*‖² may still be missing for a straight line over ln ‖w − w*‖² to say what it does to λ̂: the radius then a little
/// more than doubles. What γ hides of a singular direction comes over several such steps, and shows in the slope before it comes.
const MAX_MISSING: f64 = 4.0;

/// How far ln ‖w − w*‖² may still be from where it settles: by what is not known of its mean `squares` (`half_width` of the interval) and by
/// what the virial identity says is missing from it, (1 − V)·d/γ. Infinite where that is more than [`MAX_MISSING`] times `squares`.
fn distance_open(squares: f64, half_width: f64, virial: Estimate, density: &Density) -> f64 {
    // What is within the ratio's own error is not missing.
    let missing = (1.0 - virial.value - 2.0 * virial.mcse).max(0.0) * density.num_parameters() as f64 / density.gamma;
    let open = (half_width + missing) / squares;
    // A NaN is below nothing.
    if is_below(open, MAX_MISSING) { open.ln_1p() } else { f64::INFINITY }
}

fn relative(trend: Trend, scale: f64) -> Trend {
    Trend { difference: trend.difference / scale, mcse: trend.mcse / scale.abs(), z: trend.z }
}
