//! Says which learning rate an epoch has: η_e as a function of the base rate η and the epoch e, counted from 0.
//!
//! | schedule | η_e |
//! |---|---|
//! | constant | η |
//! | exponential | η·γᵉ |
//! | multi-step | η·γ^(number of milestones ≤ e) |
//! | cosine | η_min + (η − η_min)·(1 + cos(π·e/T))/2 |
//! | plateaus | η·1 up to e = T/2, then in a straight line to η/100 at e = 0.9·T, η/100 from there |
//! | list | the e-th entry, the last one ever after |
//!
//! PyTorch's schedulers multiply the former rate instead, which differs in the last bits; a closed form needs no state, so that a
//! resumed training continues exactly. PyTorch's cosine rises again after T epochs, and so does this one.
//!
//! *Reference*: `torch.optim.lr_scheduler` (`ExponentialLR`, `MultiStepLR`, `CosineAnnealingLR`,
//! <https://docs.pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate>); Garipov et al. 2018, <https://arxiv.org/abs/1802.10026>,
//! for the plateaus. *Tested by* their recursions, below.

use serde::{Deserialize, Serialize};

// Of the plateaus: shares of the epochs at which the fall begins and ends, and the factor that it ends at, as published.
const PLATEAU_END: f64 = 0.5;
const FALL_END: f64 = 0.9;
const LEAST_FACTOR: f64 = 0.01;

/// How the learning rate goes with the epochs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "schedule", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Schedule {
    /// It doesn't.
    Constant,
    /// It is multiplied by `decay` after every epoch.
    Exponential {
        /// γ, in (0, 1].
        decay: f64,
    },
    /// It is multiplied by `decay` at the start of some epochs.
    MultiStep {
        /// Those epochs, counted from 0, in ascending order.
        milestones: Vec<u64>,
        /// γ, in (0, 1].
        decay: f64,
    },
    /// It falls along half a cosine.
    Cosine {
        /// T: the epochs of the half wave, at least 1.
        cosine_epochs: u64,
        /// η_min, 0 or more.
        final_learning_rate: f64,
    },
    /// It stays for half of the epochs, falls in a straight line to a hundredth, and stays there for the last tenth.
    Plateaus {
        /// T: the epochs of the whole training, at least 1.
        #[serde(skip)]
        num_epochs: u64,
    },
    /// One rate for each epoch.
    List {
        /// The rates, at least one.
        learning_rates: Vec<f64>,
    },
}

impl Schedule {
    /// The name in files and flags.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Exponential { .. } => "exponential",
            Self::MultiStep { .. } => "multi-step",
            Self::Cosine { .. } => "cosine",
            Self::Plateaus { .. } => "plateaus",
            Self::List { .. } => "list",
        }
    }

    /// The learning rate of epoch `epoch`, counted from 0, where the base rate is `learning_rate`.
    ///
    /// ```
    /// use llc::schedule::Schedule;
    /// let schedule = Schedule::MultiStep { milestones: vec![150, 225], decay: 0.1 };
    /// assert_eq!(schedule.rate(0.1, 149), 0.1);
    /// assert!((schedule.rate(0.1, 225) - 0.001).abs() < 1e-15);
    /// ```
    pub fn rate(&self, learning_rate: f64, epoch: u64) -> f64 {
        match self {
            Self::Constant => learning_rate,
            Self::Exponential { decay } => learning_rate * decay.powf(epoch as f64),
            Self::MultiStep { milestones, decay } => {
                let num_passed = milestones.iter().filter(|&&milestone| milestone <= epoch).count();
                learning_rate * decay.powi(num_passed as i32)
            }
            Self::Cosine { cosine_epochs, final_learning_rate } => {
                let angle = std::f64::consts::PI * epoch as f64 / *cosine_epochs as f64;
                final_learning_rate + (learning_rate - final_learning_rate) * 0.5 * (1.0 + angle.cos())
            }
            Self::Plateaus { num_epochs } => {
                let share = epoch as f64 / *num_epochs as f64;
                let fallen = ((share - PLATEAU_END) / (FALL_END - PLATEAU_END)).clamp(0.0, 1.0);
                learning_rate * (1.0 - (1.0 - LEAST_FACTOR) * fallen)
            }
            Self::List { learning_rates } => {
                let index = usize::try_from(epoch).unwrap_or(usize::MAX).min(learning_rates.len().saturating_sub(1));
                learning_rates.get(index).copied().unwrap_or(learning_rate)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares the closed form with `next`, which gives an epoch's rate from its number and the rate of the epoch before.
    fn follows(schedule: &Schedule, num_epochs: u64, next: impl Fn(u64, f64) -> f64) {
        let base = 0.1;
        let mut rate = base;
        assert_eq!(schedule.rate(base, 0), base);
        for epoch in 1..num_epochs {
            rate = next(epoch, rate);
            let found = schedule.rate(base, epoch);
            assert!((found - rate).abs() <= 1e-12 * base, "{}, epoch {epoch}: {found}, not {rate}", schedule.name());
        }
    }

    #[test]
    fn every_rate_is_the_one_that_pytorch_s_recursion_reaches() {
        follows(&Schedule::Constant, 50, |_, rate| rate);
        follows(&Schedule::Exponential { decay: 0.95 }, 130, |_, rate| rate * 0.95);
        let milestones = Schedule::MultiStep { milestones: vec![100, 200], decay: 0.1 };
        follows(&milestones, 250, |epoch, rate| if epoch == 100 || epoch == 200 { rate * 0.1 } else { rate });
        // `CosineAnnealingLR` multiplies what is above η_min by the ratio of neighbouring cosines.
        let (period, least) = (40u64, 1e-3);
        let height = |epoch: u64| 1.0 + (std::f64::consts::PI * epoch as f64 / period as f64).cos();
        let cosine = Schedule::Cosine { cosine_epochs: period, final_learning_rate: least };
        follows(&cosine, period, |epoch, rate| (rate - least) * height(epoch) / height(epoch - 1) + least);
        assert_eq!(cosine.rate(0.1, period), least);
    }

    #[test]
    fn fitting_random_labels_two_drops_are_a_multi_step() {
        let schedule = Schedule::MultiStep { milestones: vec![150, 225], decay: 0.1 };
        for epoch in 0..300u64 {
            let published = 0.1 * 0.1f64.powi((epoch / 150) as i32) * 0.1f64.powi((epoch / 225) as i32);
            assert!((schedule.rate(0.1, epoch) - published).abs() < 1e-17, "epoch {epoch}");
        }
    }

    #[test]
    fn plateaus_are_those_of_the_published_training_of_curves() {
        let schedule = Schedule::Plateaus { num_epochs: 200 };
        for epoch in 0..200u64 {
            let t = epoch as f64 / 200.0;
            let factor = if t <= 0.5 {
                1.0
            } else if t <= 0.9 {
                1.0 - (t - 0.5) / 0.4 * 0.99
            } else {
                0.01
            };
            assert!((schedule.rate(0.05, epoch) - 0.05 * factor).abs() < 1e-15, "epoch {epoch}");
        }
    }

    #[test]
    fn a_list_s_last_rate_stays() {
        let schedule = Schedule::List { learning_rates: vec![0.3, 0.2] };
        assert_eq!([0, 1, 2, 99].map(|epoch| schedule.rate(0.1, epoch)), [0.3, 0.2, 0.2, 0.2]);
    }
}
