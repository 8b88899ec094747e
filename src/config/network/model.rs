//! Configures the network: its name, and what differs from its own defaults.
//!
//! Images and classes come from the data, so they are not settings.

use super::text;
use crate::config::typed::to_usize;
use crate::config::{ConfigError, Kind, RawConfig, Setting, Value};
use crate::model::layer::Activation;
use crate::model::{ModelOptions, ModelSpec};

const NAME: &str = "model.name";

/// What an experiment takes where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelDefaults {
    /// The network; `None` where it must be given.
    pub name: Option<&'static str>,
}

/// The settings of a network, in the order of `--help`. Those of its own go with its name: a layer that changes that takes them back.
pub fn keys(defaults: &ModelDefaults) -> Vec<Setting> {
    let default = defaults.name.map_or(String::new(), |name| format!(" [default: {name}]"));
    vec![
        Setting::new(
            NAME,
            "model",
            Kind::Text,
            "NAME",
            text(format!(
                "The network, as named by `llc model list`; `llc model show NAME` shows its options{default}"
            )),
        ),
        Setting::new(
            "model.width_factor",
            "width-factor",
            Kind::Whole,
            "FACTOR",
            "Factor of all channels, or channels of the first group [default: depends on the network]",
        )
        .chosen_for(&[NAME]),
        Setting::new(
            "model.widths",
            "widths",
            Kind::WholeList,
            "WIDTHS",
            "Widths of the hidden layers: 512,512 [default: depends on the network]",
        )
        .chosen_for(&[NAME]),
        Setting::new(
            "model.depth",
            "depth",
            Kind::Whole,
            "LAYERS",
            "Number of layers, as the network counts them [default: depends on the network]",
        )
        .chosen_for(&[NAME]),
        Setting::new(
            "model.has_bias",
            "bias",
            Kind::Switch,
            "on|off",
            "Whether linear layers have biases [default: depends on the network]",
        )
        .chosen_for(&[NAME]),
        Setting::new(
            "model.activation",
            "activation",
            Kind::Choice(&["relu", "sigmoid", "tanh"]),
            "relu|sigmoid|tanh",
            "Activation between layers [default: depends on the network]",
        )
        .chosen_for(&[NAME]),
        Setting::new(
            "model.batch_norm",
            "batch-norm",
            Kind::Switch,
            "on|off",
            "Batch normalisation after convolutions [default: depends on the network]",
        )
        .chosen_for(&[NAME]),
        Setting::new(
            "model.dropout",
            "dropout",
            Kind::Real,
            "SHARE",
            "Dropout: probability that the training sets an element to zero, in [0, 1) [default: depends on the \
             network]",
        )
        .chosen_for(&[NAME]),
        Setting::new(
            "model.num_classes",
            "num-classes",
            Kind::Whole,
            "CLASSES",
            "Number of outputs, at least the number of classes [default: the number of classes]",
        ),
    ]
}

/// The network that `raw` asks for, for images of `input_shape` with `num_classes`, where these are known already: then it is built
/// once, so that what it can't be is said before anything starts.
///
/// # Errors
///
/// [`ConfigError::Missing`] without a name, [`ConfigError::Refused`] with what the network says.
pub fn check(
    raw: &RawConfig,
    defaults: &ModelDefaults,
    data: Option<([usize; 3], usize)>,
) -> Result<ModelSpec, ConfigError> {
    let key = raw.key(NAME)?;
    let what = "give a network, for example --model mlp1; `llc model list` lists them";
    let name = raw.word(NAME).or(defaults.name).ok_or(ConfigError::Missing { key, what })?;
    let switch = |path: &str| raw.word(path).map(|word| word == "on");
    let options = ModelOptions {
        width_factor: raw.count("model.width_factor", 1)?,
        widths: match raw.get("model.widths") {
            Some(Value::WholeList(widths)) => Some(widths.iter().map(|&width| to_usize(width)).collect()),
            _ => None,
        },
        depth: raw.count("model.depth", 1)?,
        has_bias: switch("model.has_bias"),
        activation: raw.word("model.activation").map(|word| match word {
            "sigmoid" => Activation::Sigmoid,
            "tanh" => Activation::Tanh,
            _ => Activation::Relu,
        }),
        batch_norm: switch("model.batch_norm"),
        dropout: raw.within("model.dropout", "[0, 1)", |value| (0.0..1.0).contains(&value))?,
        num_classes: raw.count("model.num_classes", 1)?,
        ..ModelOptions::default()
    };
    let spec = ModelSpec { name: name.to_owned(), options };
    if let Some((input_shape, num_classes)) = data {
        let for_data = for_data(&spec, input_shape, num_classes);
        if for_data.options.num_classes < Some(num_classes) {
            let reason = format!("the data have {num_classes} classes: give as many or more, or leave it out");
            return Err(ConfigError::Refused { key: raw.key("model.num_classes")?, reason });
        }
        for_data.build().map_err(|error| ConfigError::Refused { key, reason: error.to_string() })?;
    }
    Ok(spec)
}

/// The same network for images of `input_shape` with `num_classes`.
pub fn for_data(spec: &ModelSpec, input_shape: [usize; 3], num_classes: usize) -> ModelSpec {
    let options = ModelOptions {
        input_shape: Some(input_shape),
        num_classes: spec.options.num_classes.or(Some(num_classes)),
        ..spec.options.clone()
    };
    ModelSpec { name: spec.name.clone(), options }
}
