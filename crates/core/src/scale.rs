//! Chooses the default localisation γ around a network: γ = nβ·h_max/κ, h_max the largest curvature of L at w*.
//!
//! A chain has to settle in two kinds of direction. Its step ε is bounded by the stiffest, εa ≲ 0.8 with a = nβ·h_max + γ; directions that
//! γ alone holds decorrelate in about 1/(εγ) steps. Their ratio κ = nβ·h_max/γ is thus what decides how many steps a chain
//! needs: 1.25κ for one such time at the largest step. Around deep linear networks γ is weak (κ in the hundreds of thousands), because there λ̂
//! is level in γ and exact samplers move the flat directions. Around other networks λ̂ has no such level, and what can be answered is λ̂ at a
//! scale at which chains do settle.
//!
//! κ = [`STIFFNESS_RATIO`] is one at which the default chains of SGLD settle around a perceptron and a
//! ResNet18: docs/scale.md has what was measured.
//!
//! *Reference*: derived for this project. *Tested by* tests/network_commands.rs.

/// κ = nβ·h_max/γ.
pub const STIFFNESS_RATIO: f64 = 30.0;

/// γ at `n_beta` = nβ for a loss of the largest curvature h_max = `largest_curvature` at w*; 1 where the loss is flat to second order,
/// which gives no scale.
///
/// ```
/// use llc_core::scale::gamma;
///
/// assert_eq!(gamma(300.0, 6.0), 60.0);
/// assert_eq!(gamma(300.0, 0.0), 1.0);
/// ```
pub fn gamma(n_beta: f64, largest_curvature: f64) -> f64 {
    let gamma = n_beta * largest_curvature / STIFFNESS_RATIO;
    if gamma > 0.0 && gamma.is_finite() { gamma } else { 1.0 }
}
