//! Gives the tensors of Haiku's ResNet the names and shapes of PyTorch's.
//!
//! | Haiku | here |
//! |---|---|
//! | `…/~/initial_conv` `w` \[H, W, I, O\] | `conv1.weight` \[O, I, H, W\] |
//! | `…/~/block_group_1/~/block_0/~/conv_0`, `shortcut_conv` | `layer2.0.conv1`, `layer2.0.downsample.0` |
//! | `…/~/batchnorm_0` `scale`, `offset` \[1, 1, 1, C\] | `bn1.weight`, `bn1.bias` \[C\] |
//! | `…/~/batchnorm_0/~/mean_ema` `average`, `counter` | `bn1.running_mean`, `bn1.num_batches_tracked` |
//! | `…/~/logits` `w` \[I, O\], `b` | `fc.weight` \[O, I\], `fc.bias` |
//!
//! *Tested by*: Haiku's own outputs, in `tests/checkpoint_networks.rs`.

use std::collections::HashSet;

use super::NamedTensor;
use super::tensor::{gather, strides};

/// What stands between the names of modules.
const BETWEEN: &str = "/~/";

/// `tensors`, those of Haiku's ResNet by PyTorch's names; all as they are where two would then have one name.
pub(super) fn renamed(tensors: Vec<NamedTensor>) -> Vec<NamedTensor> {
    if !tensors.iter().any(|tensor| tensor.name.contains(BETWEEN)) {
        return tensors;
    }
    let mut names = HashSet::new();
    let mut translated = Vec::with_capacity(tensors.len());
    for tensor in &tensors {
        let Some(tensor) = translate(tensor) else { continue };
        if !names.insert(tensor.name.clone()) {
            return tensors;
        }
        translated.push(tensor);
    }
    translated
}

/// The tensor by its other name; `None` for one that follows from others.
fn translate(tensor: &NamedTensor) -> Option<NamedTensor> {
    let parts = tensor.name.split_once(BETWEEN).and_then(|(_root, rest)| rest.rsplit_once('.'));
    let Some((modules, leaf)) = parts else { return Some(tensor.clone()) };
    let leaf = match (modules.rsplit(BETWEEN).next(), leaf) {
        (Some("mean_ema"), "average") => "running_mean",
        (Some("var_ema"), "average") => "running_var",
        (Some("mean_ema"), "counter") => "num_batches_tracked",
        // hidden is average·(1 − decayᶜᵒᵘⁿᵗᵉʳ), and both counters are the same.
        (Some("mean_ema" | "var_ema"), "hidden" | "counter") => return None,
        (_, "w" | "scale") => "weight",
        (_, "b" | "offset") => "bias",
        _ => return Some(tensor.clone()),
    };
    let modules = modules.split(BETWEEN).filter(|module| !module.ends_with("_ema"));
    let words: Option<Vec<String>> = modules.map(module).collect();
    let Some(words) = words else { return Some(tensor.clone()) };
    Some(turned(tensor, format!("{}.{leaf}", words.join("."))))
}

fn module(name: &str) -> Option<String> {
    let number = |prefix: &str| name.strip_prefix(prefix)?.parse::<u32>().ok();
    Some(match name {
        "initial_conv" => "conv1".to_owned(),
        "initial_batchnorm" => "bn1".to_owned(),
        "shortcut_conv" => "downsample.0".to_owned(),
        "shortcut_batchnorm" => "downsample.1".to_owned(),
        "logits" => "fc".to_owned(),
        _ => {
            let counted = |prefix, word| number(prefix).map(|index: u32| format!("{word}{}", u64::from(index) + 1));
            return counted("block_group_", "layer")
                .or_else(|| number("block_").map(|index| index.to_string()))
                .or_else(|| counted("conv_", "conv"))
                .or_else(|| counted("batchnorm_", "bn"));
        }
    })
}

/// The same numbers under `name`, with the axes in PyTorch's order.
fn turned(tensor: &NamedTensor, name: String) -> NamedTensor {
    let axes: &[usize] = match tensor.shape[..] {
        [1, 1, 1, _] if !name.contains("conv") && !name.ends_with("downsample.0.weight") => &[3],
        [_, _, _, _] => &[3, 2, 0, 1],
        [_, _] => &[1, 0],
        _ => return NamedTensor { name, ..tensor.clone() },
    };
    let of_old = strides(&tensor.shape, false);
    let shape: Vec<usize> = axes.iter().map(|&axis| tensor.shape[axis]).collect();
    let steps: Vec<usize> = axes.iter().map(|&axis| of_old[axis]).collect();
    match gather(&tensor.bytes, tensor.dtype, 0, &shape, &steps) {
        Some(bytes) => NamedTensor { name, shape, dtype: tensor.dtype, bytes },
        // Only where the bytes are not as many as the shape says.
        None => tensor.clone(),
    }
}
