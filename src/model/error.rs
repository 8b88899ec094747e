//! Says why a description makes no network, in one sentence that names the layer or the option and what to do.

use crate::words::did_you_mean;

/// Why there is no such network.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No network has that name.
    #[error("no network is called `{name}`{}; `llc model list` lists them", did_you_mean(*nearest))]
    UnknownName {
        /// The name as given.
        name: String,
        /// The known name that looks most like it.
        nearest: Option<&'static str>,
    },
    /// A name of a family with something else than the numbers that belong there.
    #[error("`{name}` is not a network of the family {form}: write it as {example}")]
    Malformed {
        /// The name as given.
        name: String,
        /// The form of the names.
        form: &'static str,
        /// One that is well formed.
        example: &'static str,
    },
    /// An option that the network does not have.
    #[error("{model} has no option `{option}`: it takes {takes}")]
    Unfit {
        /// The network.
        model: String,
        /// The option.
        option: &'static str,
        /// The options that it has, as a sentence has them.
        takes: String,
    },
    /// An option with a value that makes no sense.
    #[error("{model}: {option} is {found}, but it must be {requirement}")]
    BadOption {
        /// The network.
        model: String,
        /// The option.
        option: &'static str,
        /// The value as given.
        found: String,
        /// What would do.
        requirement: &'static str,
    },
    /// A layer that its input does not fit.
    #[error("{model}: layer `{layer}` ({kind}) can't take an input of shape {}: {reason}", shape(input))]
    Impossible {
        /// The network.
        model: String,
        /// The layer's name; of one without, that of the block it is in.
        layer: String,
        /// What the layer is.
        kind: String,
        /// The shape of one sample.
        input: Vec<usize>,
        /// What does not fit, and what would.
        reason: String,
    },
    /// An output that is not a list of classes.
    #[error("{model}: its output has shape {}, but it must be one number for each class", shape(output))]
    NoClasses {
        /// The network.
        model: String,
        /// The shape of one sample's output.
        output: Vec<usize>,
    },
    /// More elements than can be counted.
    #[error("{model}: layer `{layer}` has more elements than any memory; make it narrower")]
    TooLarge {
        /// The network.
        model: String,
        /// The layer.
        layer: String,
    },
}

/// A shape as people write it: 3×32×32.
pub fn shape(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×")
}
