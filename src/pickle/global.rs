//! Lists the names that a pickle may mention, and what each stands for.

use crate::dtype::Dtype;

/// A known name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    /// Dicts of any kind.
    Dict,
    /// `collections.defaultdict`, whose first argument is not its content.
    DefaultDict,
    /// `argparse.Namespace` and its like: an object that is its dict.
    Namespace,
    /// Lists, tuples and sets of any kind.
    Sequence,
    /// `bytes` and `bytearray`.
    Bytes,
    /// `_codecs.encode`, by which protocol 2 writes bytes.
    Encode,
    /// `torch._utils._rebuild_tensor` and `_v2`.
    RebuildTensor,
    /// `torch.nn.Parameter` and what rebuilds it: its tensor.
    Parameter,
    /// `torch.device`: its name.
    Device,
    /// A class of PyTorch's storages, with the format of its elements.
    StorageClass(Dtype),
    /// `numpy…_reconstruct`: an array that a state will fill.
    Reconstruct,
    /// `numpy…_frombuffer`: an array of protocol 5.
    FromBuffer,
    /// JAX's way around `numpy…_reconstruct`.
    JaxArray,
    /// `numpy…scalar`.
    Scalar,
    /// `numpy.dtype`.
    NumpyDtype,
    /// A name that stands for itself: a class or a format, never called.
    Name(&'static str),
}

impl Global {
    /// What `module.name` stands for; `None` if it is not known.
    pub fn find(module: &str, name: &str) -> Option<Global> {
        Some(match (module, name) {
            ("collections", "OrderedDict" | "Counter") | ("builtins" | "__builtin__", "dict") => Global::Dict,
            ("collections", "defaultdict") => Global::DefaultDict,
            ("argparse", "Namespace") | ("types", "SimpleNamespace") => Global::Namespace,
            ("builtins" | "__builtin__", "list" | "tuple" | "set" | "frozenset") => Global::Sequence,
            ("torch", "Size") => Global::Sequence,
            ("builtins" | "__builtin__", "bytes" | "bytearray") => Global::Bytes,
            ("_codecs", "encode") => Global::Encode,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Global::RebuildTensor,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Global::Parameter,
            ("torch.nn.parameter", "Parameter" | "Buffer") => Global::Parameter,
            ("torch", "device") => Global::Device,
            ("torch", storage) if storage.ends_with("Storage") => Global::StorageClass(storage_dtype(storage)?),
            ("torch.storage", "UntypedStorage") => Global::StorageClass(Dtype::U8),
            ("torch", format) => {
                Global::Name(TORCH_FORMATS.iter().find(|known| known.ends_with(&format!(".{format}")))?)
            }
            ("jax._src.array", "_reconstruct_array") => Global::JaxArray,
            (module, name) if module.starts_with("numpy") => return numpy_global(module, name),
            ("builtins" | "__builtin__", "int") => Global::Name("int"),
            ("builtins" | "__builtin__", "float") => Global::Name("float"),
            ("builtins" | "__builtin__", "bool") => Global::Name("bool"),
            ("builtins" | "__builtin__", "str") => Global::Name("str"),
            _ => return None,
        })
    }

    /// What messages call it.
    pub fn describe(self) -> &'static str {
        match self {
            Global::Dict => "dict",
            Global::DefaultDict => "collections.defaultdict",
            Global::Namespace => "argparse.Namespace",
            Global::Sequence => "list",
            Global::Bytes => "bytes",
            Global::Encode => "_codecs.encode",
            Global::RebuildTensor => "torch._utils._rebuild_tensor_v2",
            Global::Parameter => "torch.nn.Parameter",
            Global::Device => "torch.device",
            Global::StorageClass(_) => "torch.Storage",
            Global::Reconstruct => "numpy._reconstruct",
            Global::FromBuffer => "numpy._frombuffer",
            Global::JaxArray => "jax._src.array._reconstruct_array",
            Global::Scalar => "numpy.scalar",
            Global::NumpyDtype => "numpy.dtype",
            Global::Name(name) => name,
        }
    }
}

/// `torch.float32` and its like, which checkpoints of configurations hold.
const TORCH_FORMATS: [&str; 20] = [
    "torch.float32",
    "torch.float64",
    "torch.float16",
    "torch.bfloat16",
    "torch.float",
    "torch.double",
    "torch.half",
    "torch.int64",
    "torch.int32",
    "torch.int16",
    "torch.int8",
    "torch.uint8",
    "torch.long",
    "torch.int",
    "torch.bool",
    "torch.strided",
    "torch.contiguous_format",
    "torch.preserve_format",
    "torch.channels_last",
    "torch.complex64",
];

fn storage_dtype(class: &str) -> Option<Dtype> {
    Some(match class {
        "FloatStorage" => Dtype::F32,
        "DoubleStorage" => Dtype::F64,
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::Bf16,
        "LongStorage" => Dtype::I64,
        "IntStorage" => Dtype::I32,
        "ShortStorage" => Dtype::I16,
        "CharStorage" => Dtype::I8,
        "ByteStorage" | "UntypedStorage" => Dtype::U8,
        "BoolStorage" => Dtype::Bool,
        _ => return None,
    })
}

fn numpy_global(module: &str, name: &str) -> Option<Global> {
    Some(match (module, name) {
        ("numpy", "dtype") => Global::NumpyDtype,
        ("numpy", "ndarray") => Global::Name("numpy.ndarray"),
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Global::Reconstruct,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Global::Scalar,
        ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Global::FromBuffer,
        _ => return None,
    })
}
