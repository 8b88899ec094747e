"""Prints what the safetensors package, and PyTorch where it is installed, see in a checkpoint: tests/checkpoint_readers.rs."""

import importlib.util
import json
import sys

from safetensors import safe_open
from safetensors.numpy import load_file

path = sys.argv[1]
with safe_open(path, framework="numpy") as file:
    seen = {"metadata": file.metadata()}
seen["numpy"] = {name: [array.dtype.name, array.tolist()] for name, array in load_file(path).items()}
if importlib.util.find_spec("torch") is not None:
    from safetensors.torch import load_file as load_torch

    seen["torch"] = {name: [str(tensor.dtype), tensor.tolist()] for name, tensor in load_torch(path).items()}
print(json.dumps(seen))
