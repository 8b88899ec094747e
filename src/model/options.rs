//! Names the options of networks; each network has its own defaults.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::ModelError;
use super::layer::Activation;
use super::network::Network;
use super::registry;

/// The largest width, image or number of classes: sizes stay countable, whatever a file asks for.
const MAX_SIZE: usize = 1 << 20;
/// The largest depth, for the same reason.
const MAX_DEPTH: usize = 1 << 12;

/// A network by name and options; checkpoints carry it in their header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct ModelSpec {
    /// As `llc model list` lists them.
    pub name: String,
    /// What differs from the network's defaults.
    #[serde(flatten)]
    pub options: ModelOptions,
}

/// The options of a network; not every network has every option.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelOptions {
    /// Factor of all channels, or channels of the first group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width_factor: Option<usize>,
    /// Widths of the hidden layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub widths: Option<Vec<usize>>,
    /// Whether linear layers have biases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_bias: Option<bool>,
    /// The function between layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// Whether convolutions are normalised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_norm: Option<bool>,
    /// Probability that a training sets an element to zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// Layers, as the network counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<usize>,
    /// Shape of one sample: channels, height, width.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_shape: Option<[usize; 3]>,
    /// Classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_classes: Option<usize>,
}

impl ModelSpec {
    /// The network `name` at its defaults.
    pub fn named(name: impl Into<String>) -> ModelSpec {
        ModelSpec { name: name.into(), options: ModelOptions::default() }
    }

    /// The network that it describes.
    ///
    /// # Errors
    /// [`ModelError`]: no such name, an option that the network does not have or a value that makes no sense, images too small.
    ///
    /// ```
    /// use llc::model::{ModelOptions, ModelSpec};
    /// let options = ModelOptions { width_factor: Some(8), ..ModelOptions::default() };
    /// assert_eq!(ModelSpec { name: "resnet18".into(), options }.build()?.num_parameters(), 177_362);
    /// # Ok::<(), llc::model::ModelError>(())
    /// ```
    pub fn build(&self) -> Result<Network, ModelError> {
        registry::build(&self.name, &self.options)
    }
}

impl TryFrom<Map<String, Value>> for ModelSpec {
    type Error = serde_json::Error;

    /// Reads the options strictly, which serde does not do by itself where they are flattened into the rest.
    fn try_from(mut map: Map<String, Value>) -> Result<ModelSpec, serde_json::Error> {
        let name = map.remove("name").unwrap_or(Value::Null);
        Ok(ModelSpec { name: serde_json::from_value(name)?, options: serde_json::from_value(Value::Object(map))? })
    }
}

impl ModelOptions {
    /// The options that are given, by their names in flags.
    pub fn given(&self) -> Vec<&'static str> {
        let given = [
            ("width-factor", self.width_factor.is_some()),
            ("widths", self.widths.is_some()),
            ("bias", self.has_bias.is_some()),
            ("activation", self.activation.is_some()),
            ("batch-norm", self.batch_norm.is_some()),
            ("dropout", self.dropout.is_some()),
            ("depth", self.depth.is_some()),
            ("input-shape", self.input_shape.is_some()),
            ("num-classes", self.num_classes.is_some()),
        ];
        given.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect()
    }

    /// Refuses values that make sense for no network.
    pub(super) fn check(&self, model: &str) -> Result<(), ModelError> {
        let sizes = [
            ("width-factor", self.width_factor.as_slice(), MAX_SIZE, "from 1 to 1048576"),
            ("widths", self.widths.as_deref().unwrap_or_default(), MAX_SIZE, "from 1 to 1048576 each"),
            ("depth", self.depth.as_slice(), MAX_DEPTH, "from 1 to 4096"),
            (
                "input-shape",
                self.input_shape.as_ref().map_or(&[], |shape| &shape[..]),
                MAX_SIZE,
                "from 1 to 1048576 each",
            ),
            ("num-classes", self.num_classes.as_slice(), MAX_SIZE, "from 1 to 1048576"),
        ];
        for (option, given, maximum, requirement) in sizes {
            if let Some(found) = given.iter().find(|size| !(1..=maximum).contains(*size)) {
                return Err(ModelError::BadOption {
                    model: model.into(),
                    option,
                    found: found.to_string(),
                    requirement,
                });
            }
        }
        match self.dropout {
            Some(found) if !(0.0..1.0).contains(&found) => Err(ModelError::BadOption {
                model: model.into(),
                option: "dropout",
                found: found.to_string(),
                requirement: "at least 0 and below 1",
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_description_is_read_back_as_it_was_written_and_knows_no_other_keys() {
        let options =
            ModelOptions { widths: Some(vec![5, 4]), activation: Some(Activation::Tanh), ..Default::default() };
        let spec = ModelSpec { name: "mlp".into(), options };
        let written = serde_json::to_value(&spec).unwrap();
        assert_eq!(written, json!({"name": "mlp", "widths": [5, 4], "activation": "tanh"}));
        assert_eq!(serde_json::from_value::<ModelSpec>(written).unwrap(), spec);
        let error = serde_json::from_value::<ModelSpec>(json!({"name": "mlp", "width": [5]})).unwrap_err().to_string();
        assert!(error.contains("unknown field `width`"), "{error}");
        assert!(serde_json::from_value::<ModelSpec>(json!({"widths": [5]})).is_err());
    }

    #[test]
    fn sizes_that_no_memory_holds_are_refused_before_anything_is_built() {
        let error = |name: &str, options| ModelSpec { name: name.into(), options }.build().unwrap_err().to_string();
        let message = error("mlp", ModelOptions { widths: Some(vec![64, usize::MAX]), ..Default::default() });
        assert_eq!(message, format!("mlp: widths is {}, but it must be from 1 to 1048576 each", usize::MAX));
        let message = error("mlp", ModelOptions { num_classes: Some(0), ..Default::default() });
        assert!(message.contains("num-classes is 0"), "{message}");
        let message = error("vgg16", ModelOptions { dropout: Some(1.0), ..Default::default() });
        assert!(message.contains("dropout is 1, but it must be at least 0 and below 1"), "{message}");
    }
}
