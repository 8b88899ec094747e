//! Lists the networks: adding one takes a file in `networks` and a line here.

use super::error::ModelError;
use super::layer::Layer;
use super::network::Network;
use super::networks::{alexnet, inception, mlp, resnet18, vgg, wide_resnet, wrn};
use super::options::ModelOptions;
use crate::words::nearest;

/// Every network, in the order of `llc model list`.
pub const ENTRIES: &[Entry] = &[
    mlp::MLP,
    mlp::MLP1,
    mlp::MLP3,
    mlp::MLP_BY_WIDTHS,
    mlp::DEEP_LINEAR,
    alexnet::ALEXNET_SMALL,
    inception::INCEPTION_SMALL,
    wide_resnet::WIDE_RESNET,
    wrn::WRN,
    resnet18::RESNET18,
    resnet18::RESNET18_TORCHVISION,
    resnet18::RESNET18_CIFAR,
    vgg::VGG,
];

/// Options that every network has.
const OF_ALL: [&str; 2] = ["input-shape", "num-classes"];

/// One network, or one family.
#[derive(Debug)]
pub struct Entry {
    /// Its name; of a family, that of a typical member.
    pub name: &'static str,
    /// How the names of a family say what its members are.
    pub family: Option<Family>,
    /// What it is, in a line.
    pub summary: &'static str,
    /// The options that it takes besides those of all.
    pub options: &'static [&'static str],
    /// The default shape of a sample.
    pub input_shape: [usize; 3],
    /// The default number of classes.
    pub num_classes: usize,
    /// Its tree.
    pub layers: fn(&Request) -> Result<Vec<Layer>, ModelError>,
}

/// Networks whose names say how large they are.
#[derive(Debug)]
pub struct Family {
    /// What all names start with.
    pub prefix: &'static str,
    /// The form of a name, as help writes it.
    pub form: &'static str,
    /// Reads what follows the prefix.
    pub read: fn(&str) -> Option<ModelOptions>,
}

/// The request for a network.
#[derive(Debug)]
pub struct Request<'a> {
    /// The name that was asked for.
    pub model: &'a str,
    /// The options, checked; those that the name says are among them.
    pub options: &'a ModelOptions,
    /// Classes.
    pub num_classes: usize,
}

/// The network `name` with `options`.
pub(super) fn build(name: &str, options: &ModelOptions) -> Result<Network, ModelError> {
    let (entry, rest) = find(name)?;
    let takes: Vec<&str> = entry.options.iter().copied().chain(OF_ALL).collect();
    if let Some(option) = options.given().into_iter().find(|option| !takes.contains(option)) {
        return Err(ModelError::Unfit { model: name.into(), option, takes: takes.join(", ") });
    }
    let options = match &entry.family {
        None => options.clone(),
        Some(Family { form, read, .. }) => {
            let malformed = || ModelError::Malformed { name: name.into(), form, example: entry.name };
            let said = read(rest).ok_or_else(malformed)?;
            // No option is both in a family's names and among those that it takes.
            ModelOptions {
                widths: said.widths.or(options.widths.clone()),
                depth: said.depth.or(options.depth),
                width_factor: said.width_factor.or(options.width_factor),
                ..options.clone()
            }
        }
    };
    options.check(name)?;
    let num_classes = options.num_classes.unwrap_or(entry.num_classes);
    let layers = (entry.layers)(&Request { model: name, options: &options, num_classes })?;
    Network::new(name, options.input_shape.unwrap_or(entry.input_shape), layers)
}

/// The entry of that name, and the part of a family's name after the prefix.
fn find(name: &str) -> Result<(&'static Entry, &str), ModelError> {
    let alone = ENTRIES.iter().find(|entry| entry.family.is_none() && entry.name == name);
    if let Some(entry) = alone {
        return Ok((entry, ""));
    }
    let member = |entry: &'static Entry| Some((entry, name.strip_prefix(entry.family.as_ref()?.prefix)?));
    let nearest = || nearest(name, ENTRIES.iter().map(|entry| entry.name));
    ENTRIES.iter().find_map(member).ok_or_else(|| ModelError::UnknownName { name: name.into(), nearest: nearest() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelSpec;

    #[test]
    fn every_network_is_built_by_its_name_with_distinct_parameters() {
        for entry in ENTRIES {
            let network = ModelSpec::named(entry.name).build().unwrap();
            assert_eq!((network.input_shape(), network.num_outputs()), (entry.input_shape, entry.num_classes));
            let counted: usize = network.params().iter().map(|spec| spec.shape.iter().product::<usize>()).sum();
            assert_eq!(network.num_parameters(), counted, "{}", entry.name);
            assert_eq!(network.rows().iter().map(|row| row.num_parameters).sum::<usize>(), counted, "{}", entry.name);
            let names = network.params().iter().map(|spec| &spec.name);
            let mut names: Vec<&String> = names.chain(network.buffers().iter().map(|spec| &spec.name)).collect();
            let all = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), all, "{}: two tensors share a name", entry.name);
        }
    }

    #[test]
    fn a_wrong_name_or_option_is_reported_with_what_would_do() {
        let error = |name: &str| ModelSpec::named(name).build().unwrap_err().to_string();
        assert_eq!(
            error("resnet-18"),
            "no network is called `resnet-18`: did you mean `resnet18`?; `llc model list` lists them"
        );
        assert_eq!(error("wrn-28"), "`wrn-28` is not a network of the family wrn-DEPTH-WIDTH: write it as wrn-28-1");
        assert_eq!(
            error("wrn-30-1"),
            "wrn-30-1: depth is 30, but it must be 4 more than a multiple of 6: 10, 16, 22, 28, …"
        );
        assert!(error("mlp-512x0").contains("widths is 0"));
        let options = ModelOptions { width_factor: Some(2), ..Default::default() };
        assert_eq!(
            ModelSpec { name: "mlp".into(), options }.build().unwrap_err().to_string(),
            "mlp has no option `width-factor`: it takes widths, bias, activation, input-shape, num-classes"
        );
        let options = ModelOptions { input_shape: Some([1, 28, 28]), ..Default::default() };
        let error = ModelSpec { name: "vgg16".into(), options }.build().unwrap_err().to_string();
        assert!(error.contains("(max pool 2×2, stride 2) can't take an input of shape 512×1×1"), "{error}");
    }

    /// Any description out of a file ends in a network or in an error.
    #[test]
    fn descriptions_with_the_largest_sizes_end_in_a_count_or_an_error() {
        let largest = 1 << 20;
        for entry in ENTRIES {
            let mut options =
                ModelOptions { input_shape: Some([largest; 3]), num_classes: Some(largest), ..Default::default() };
            if entry.options.contains(&"width-factor") {
                options.width_factor = Some(largest);
            }
            if entry.options.contains(&"widths") {
                options.widths = Some(vec![largest; 3]);
            }
            let _ = ModelSpec { name: entry.name.into(), options }.build();
        }
        let _ = ModelSpec::named("wrn-4096-1048576").build();
    }
}
