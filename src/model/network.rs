//! Holds a network: its tree of layers, and what follows from it without libtorch: shapes, names, counts and starting laws.
//!
//! Parameters are named as PyTorch's state dicts name them (`layer1.0.bn1.weight`), in the order in which a forward pass meets them.
//! Nothing is allocated for them here: a description out of a file may ask for any size.

use super::error::ModelError;
use super::init::Init;
use super::layer::Layer;
use super::survey::Survey;

/// Says of one parameter tensor how it is called, its shape, and the law that it starts from.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorSpec {
    pub name: String,
    pub shape: Vec<usize>,
    pub init: Init,
}

/// Says of one buffer (a tensor that a training moves, but no gradient) how it is called, its shape, and what it starts from.
#[derive(Debug, Clone, PartialEq)]
pub struct BufferSpec {
    pub name: String,
    pub shape: Vec<usize>,
    /// The value of every element.
    pub initial: f64,
    /// Whether it counts batches: one whole number, which stays on the CPU.
    pub is_count: bool,
}

/// One layer of a table that shows a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerRow {
    /// The layer's name; of one without, that of the block it is in.
    pub name: String,
    /// What it is, in a few words.
    pub kind: String,
    /// Shape of its output for one sample.
    pub output: Vec<usize>,
    /// Parameters of its own.
    pub num_parameters: usize,
}

/// A network, checked: every layer accepts the output of the previous one.
///
/// ```
/// use llc::model::ModelSpec;
/// let network = ModelSpec::named("mlp1").build()?;
/// assert_eq!(network.num_parameters(), 1_209_866);
/// assert_eq!((network.input_shape(), network.num_outputs()), ([3, 28, 28], 10));
/// # Ok::<(), llc::model::ModelError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Network {
    name: String,
    input_shape: [usize; 3],
    num_outputs: usize,
    num_parameters: usize,
    layers: Vec<Layer>,
    params: Vec<TensorSpec>,
    buffers: Vec<BufferSpec>,
    rows: Vec<LayerRow>,
}

impl Network {
    /// The network `name` of these layers, for samples of shape `[channels, height, width]`.
    ///
    /// # Errors
    /// [`ModelError::Impossible`] where a layer can't take what it is given, [`ModelError::NoClasses`] where the last one doesn't give one
    /// number for each class, [`ModelError::TooLarge`] where a count overflows.
    pub fn new(name: impl Into<String>, input_shape: [usize; 3], layers: Vec<Layer>) -> Result<Network, ModelError> {
        let name = name.into();
        let mut survey = Survey::new(&name);
        let output = survey.sequence(&layers, input_shape.to_vec())?;
        let &[num_outputs] = output.as_slice() else {
            return Err(ModelError::NoClasses { model: name, output });
        };
        let Survey { params, buffers, rows, num_parameters, .. } = survey;
        Ok(Network { name, input_shape, num_outputs, num_parameters, layers, params, buffers, rows })
    }

    /// The name it was built by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Shape of one sample: `[channels, height, width]`.
    pub fn input_shape(&self) -> [usize; 3] {
        self.input_shape
    }

    /// Numbers that it gives for one sample: the classes.
    pub fn num_outputs(&self) -> usize {
        self.num_outputs
    }

    /// Number of parameters d.
    pub fn num_parameters(&self) -> usize {
        self.num_parameters
    }

    /// The tree.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The parameters, in the order in which a forward pass takes them.
    pub fn params(&self) -> &[TensorSpec] {
        &self.params
    }

    /// The buffers, in the order in which a forward pass meets them.
    pub fn buffers(&self) -> &[BufferSpec] {
        &self.buffers
    }

    /// Every layer with its output and parameters, in order.
    pub fn rows(&self) -> &[LayerRow] {
        &self.rows
    }
}
