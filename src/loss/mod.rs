//! Names what a training minimises, and defines losses of two classes by functions that a user writes.
//!
//! | name | loss of a sample with label y, outputs z and p = softmax(z) |
//! |---|---|
//! | `cross-entropy` | −ln p_y, in nats |
//! | `squared-error` | ‖z − e_y‖² over the number of outputs |
//! | `accuracy` | 1 − p_y = 1 − exp(−cross-entropy), the expected error of a guess drawn from p |
//! | `piecewise: [ENDS]: f; g; …` | a function of p₁ − y for two classes, [`Piecewise`] |
//!
//! Soft targets q instead of a label: −Σ q_k·ln p_k, ‖z − q‖²/K, 1 − Σ q_k·p_k, and a function of p₁ − q₁.
//!
//! *Tested by* `train::objective`, where tensors come in, and below.

mod expression;
mod piecewise;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use thiserror::Error;

pub use expression::{Expression, Jet};
pub use piecewise::Piecewise;

use crate::words::{did_you_mean, nearest};

/// What is minimised, averaged over samples.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Loss {
    /// −ln softmax(f(x))_y, in nats; with soft targets −Σ_k p_k·ln softmax(f(x))_k.
    CrossEntropy,
    /// ‖f(x) − e_y‖² over the number of classes.
    SquaredError,
    /// 1 − softmax(f(x))_y.
    Accuracy,
    /// A function of softmax(f(x))₁ − y, for two classes.
    Piecewise(Arc<Piecewise>),
}

/// Why a text is not a loss.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum LossError {
    /// No loss has that name.
    #[error(
        "`{text}` is not one of cross-entropy, squared-error, accuracy, or piecewise: [ENDS]: FUNCTIONS{}",
        did_you_mean(*nearest)
    )]
    Name {
        /// What was given.
        text: String,
        /// The loss that looks most like it.
        nearest: Option<&'static str>,
    },
    /// A piecewise loss without its brackets or colons.
    #[error("`{text}` lacks ends in brackets or functions after a colon: write it as piecewise: [-1,0,1]: -x; x")]
    Form {
        /// The text after the name.
        text: String,
    },
    /// An end that is not a number.
    #[error("`{text}` is not the end of an interval: give numbers, such as [-1,0,1]")]
    End {
        /// What stood there.
        text: String,
    },
    /// A domain that begins elsewhere.
    #[error("the domain begins at {found}: prediction − target lies in [-1, 1], so the first end must be -1")]
    FirstEnd {
        /// The first end.
        found: f64,
    },
    /// A domain that ends elsewhere.
    #[error("the domain ends at {found}: prediction − target lies in [-1, 1], so the last end must be 1")]
    LastEnd {
        /// The last end.
        found: f64,
    },
    /// Ends that don't increase.
    #[error("the ends have {second} after {first}: give them in ascending order, each once")]
    Order {
        /// An end.
        first: f64,
        /// The one after it.
        second: f64,
    },
    /// Too few or too many functions.
    #[error(
        "{num_ends} ends bound {} intervals, but there are {num_functions} functions: give one for each interval, \
         separated by ;",
        num_ends.saturating_sub(1)
    )]
    Count {
        /// Number of ends.
        num_ends: usize,
        /// Number of functions.
        num_functions: usize,
    },
    /// Functions that don't meet.
    #[error(
        "the loss jumps: `{}` is {} at {end}, and `{}` is {}; change one of them so that they meet there",
        functions[0], values[0], functions[1], values[1]
    )]
    Discontinuous {
        /// The functions on the left and on the right.
        functions: [String; 2],
        /// Where they should meet.
        end: f64,
        /// Their values there.
        values: [f64; 2],
    },
    /// A function without a value somewhere in its interval.
    #[error("`{function}` is {value} at {x}: give a function that is finite on its whole interval, ends included")]
    NotFinite {
        /// The function.
        function: String,
        /// Where.
        x: f64,
        /// What it is there.
        value: f64,
    },
    /// A function that is infinitely steep somewhere in its interval.
    #[error(
        "the slope of `{function}` is {slope} at {x}: give a function with a finite slope, such as sqrt(x+0.001) for \
         sqrt(x)"
    )]
    Steep {
        /// The function.
        function: String,
        /// Where.
        x: f64,
        /// Its slope there.
        slope: f64,
    },
    /// A function that can't be read.
    #[error("`{text}`, character {place}: {what}")]
    Expression {
        /// The function as given.
        text: String,
        /// The place of the fault, counted from 1.
        place: usize,
        /// What is wrong, and what to do.
        what: String,
    },
    /// More or fewer classes than two.
    #[error("a piecewise loss is for two classes, but there are {num_classes}: choose two")]
    Classes {
        /// How many there are.
        num_classes: usize,
    },
}

const NAMES: [&str; 4] = ["cross-entropy", "squared-error", "accuracy", PIECEWISE];
const PIECEWISE: &str = "piecewise";

impl Loss {
    /// Its name in a word.
    pub fn name(&self) -> &'static str {
        match self {
            Loss::CrossEntropy => NAMES[0],
            Loss::SquaredError => NAMES[1],
            Loss::Accuracy => NAMES[2],
            Loss::Piecewise(_) => PIECEWISE,
        }
    }

    /// Whether answers that are the network's own make its parameters a minimum.
    pub fn is_minimal_at_own_outputs(&self) -> bool {
        matches!(self, Loss::CrossEntropy | Loss::SquaredError)
    }

    /// Whether it can be taken over `num_classes`.
    ///
    /// # Errors
    ///
    /// [`LossError::Classes`].
    pub fn check_classes(&self, num_classes: usize) -> Result<(), LossError> {
        match self {
            Loss::Piecewise(_) if num_classes != 2 => Err(LossError::Classes { num_classes }),
            _ => Ok(()),
        }
    }

    /// The loss of a sample of two classes where prediction − target is `difference`, in [−1, 1]; `None` for one that isn't a function of it.
    ///
    /// ```
    /// use llc::loss::Loss;
    /// assert_eq!(Loss::Accuracy.of_difference(-0.25), Some(0.25));
    /// assert_eq!(Loss::CrossEntropy.of_difference(0.5), Some(2f64.ln()));
    /// ```
    pub fn of_difference(&self, difference: f64) -> Option<f64> {
        match self {
            Loss::CrossEntropy => Some(-(1.0 - difference.abs()).ln()),
            Loss::Accuracy => Some(difference.abs()),
            Loss::Piecewise(piecewise) => Some(piecewise.at(difference).value),
            Loss::SquaredError => None,
        }
    }
}

impl FromStr for Loss {
    type Err = LossError;

    fn from_str(text: &str) -> Result<Loss, LossError> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix(PIECEWISE) {
            let definition = rest.trim_start().strip_prefix(':');
            let definition = definition.ok_or_else(|| LossError::Form { text: rest.trim().to_owned() })?;
            return Ok(Loss::Piecewise(Arc::new(Piecewise::parse(definition)?)));
        }
        let known = [Loss::CrossEntropy, Loss::SquaredError, Loss::Accuracy];
        known
            .into_iter()
            .find(|loss| loss.name() == text)
            .ok_or_else(|| LossError::Name { text: text.to_owned(), nearest: nearest(text, NAMES.into_iter()) })
    }
}

impl fmt::Display for Loss {
    /// As it is read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Piecewise(piecewise) => write!(f, "{PIECEWISE}: {piecewise}"),
            plain => f.write_str(plain.name()),
        }
    }
}

impl Serialize for Loss {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_read_as_it_is_written() {
        for text in ["cross-entropy", "squared-error", "accuracy", "piecewise: [-1,0,1]: -x; x^2"] {
            let loss: Loss = text.parse().unwrap();
            assert_eq!((loss.to_string().as_str(), serde_json::to_value(&loss).unwrap()), (text, text.into()));
        }
        let spaced: Loss = " piecewise :[ -1 , 0, 1 ] : -x ;x^2 ".parse().unwrap();
        assert_eq!(spaced.to_string(), "piecewise: [-1,0,1]: -x; x^2");
    }

    #[test]
    fn what_is_no_loss_is_reported_with_what_would_do() {
        let error = |text: &str| text.parse::<Loss>().unwrap_err().to_string();
        assert!(error("crossentropy").ends_with("did you mean `cross-entropy`?"));
        assert!(error("piecewise").contains("write it as piecewise: [-1,0,1]: -x; x"));
        let loss: Loss = "piecewise: [-1,1]: x^2".parse().unwrap();
        assert!(loss.check_classes(2).is_ok() && Loss::Accuracy.check_classes(10).is_ok());
        assert!(loss.check_classes(10).unwrap_err().to_string().contains("there are 10: choose two"));
    }
}
