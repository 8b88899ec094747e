//! Says how large the learning rate is at each step.

/// The learning rate over the steps of a training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Schedule {
    /// η at every step.
    Constant { learning_rate: f64 },
    /// η·½(1 + cos(πt/T)) at step t of T: falls smoothly from η to 0.
    ///
    /// *Reference*: Loshchilov and Hutter (2017), <https://arxiv.org/abs/1608.03983>, equation 5, without restarts.
    Cosine { learning_rate: f64, num_steps: u64 },
}

impl Schedule {
    /// The learning rate of step `step`, counted from 0.
    ///
    /// ```
    /// use llc::train::Schedule;
    /// let schedule = Schedule::Cosine { learning_rate: 0.1, num_steps: 100 };
    /// assert_eq!(schedule.at(0), 0.1);
    /// assert!((schedule.at(50) - 0.05).abs() < 1e-15 && schedule.at(100) < 1e-15);
    /// ```
    pub fn at(self, step: u64) -> f64 {
        match self {
            Schedule::Constant { learning_rate } => learning_rate,
            Schedule::Cosine { learning_rate, num_steps } => {
                let done = (step as f64 / num_steps.max(1) as f64).min(1.0);
                learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
            }
        }
    }
}
