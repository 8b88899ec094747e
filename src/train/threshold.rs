//! Says when a network interpolates its training data: L < 0.01 or accuracy > 0.997, both averaged over an epoch's own minibatches.
//!
//! The averages run along with the training: each minibatch counts as the network was before its step, so that they lag behind what
//! a fresh pass over the training data would say. A smaller loss or a higher accuracy in the middle of an epoch does not count.
//!
//! *Reference*: the rule with which the learning curves of Zhang, Bengio, Hardt, Recht and Vinyals, "Understanding deep learning
//! requires rethinking generalization" (2017), <https://arxiv.org/abs/1611.03530>, figure 1, were reproduced.

/// Below this running training loss a network interpolates.
pub const THRESHOLD_LOSS: f64 = 1e-2;
/// Above this running training accuracy a network interpolates.
pub const THRESHOLD_ACCURACY: f64 = 0.997;

/// Whether an epoch with these running averages reached the threshold.
///
/// ```
/// use llc::train::reaches_threshold;
/// assert!(reaches_threshold(0.009, 0.5) && reaches_threshold(1.0, 0.998));
/// assert!(!reaches_threshold(0.01, 0.997), "at the threshold is not beyond it");
/// ```
pub fn reaches_threshold(loss: f64, accuracy: f64) -> bool {
    loss < THRESHOLD_LOSS || accuracy > THRESHOLD_ACCURACY
}
