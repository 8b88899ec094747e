"""Writes a model with its loss, and its data, as two files from which the program `llc` estimates without Python."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ._data import leaves, mapped, samples_of
from ._evaluator import Evaluator
from ._loss import loss_of

# The module's losses and gradients may differ from the model's own by this much, relatively: the same operations in another order.
ROUNDING = 1e-4
# The samples that are traced with, and the batches whose gradients are compared: of other sizes, so that none is built into the module.
TRACED = slice(0, 4)
COMPARED = (slice(0, 4), slice(1, 4))
OTHER_LOSSES = "model: the traced module gives other losses than the model: control flow or sizes that depend on the batch can't be traced"


class ExportedModule(NamedTuple):
    """The two files of `export_module`; as text, the command that estimates from them."""

    module: Path
    data_file: Path
    #: "f32" or "f64", which `--precision` takes.
    precision: str = "f32"

    def __str__(self) -> str:
        flags = "" if self.precision == "f32" else f" --precision {self.precision}"
        return f"llc estimate --module {shlex.quote(str(self.module))} --data-file {shlex.quote(str(self.data_file))}{flags}"


def export_module(model: torch.nn.Module, data: Any, loss: Any, folder: str | Path, *, num_samples: int | None = None) -> ExportedModule:
    """Writes `folder`/loss.pt and `folder`/data.safetensors for `llc estimate --module loss.pt --data-file data.safetensors`.

    The first is a TorchScript module, by `torch.jit.trace`, that returns the loss of each sample; the second holds its inputs, n rows each.
    Both are compared with the model before they are kept: the losses of all samples, and gradients, to 1e-4. The tensors have the
    names that they have in `model`, so that `--params` takes the same patterns as `params` here. The model is left as it was.

    Args:
        model: The trained model; half precision is written as float32.
        data: As for `llc.estimate`; all of it is held in memory.
        loss: As for `llc.estimate`, but it must give per-sample losses `[batch]`. "own-function" also writes the model's outputs, as targets.
        folder: Created if it does not exist.
        num_samples: Use only the first `num_samples` samples.

    Returns:
        The paths of both files; printed, the command that estimates from them.

    Raises:
        ValueError: a loss that is only a mean, samples that don't fit in one tensor, a module that does not reproduce the model (control
            flow that depends on the data can't be traced).
        ImportError: the package safetensors is missing.

    Example:
        >>> import torch, llc
        >>> model = torch.nn.Linear(3, 1)
        >>> x = torch.randn(50, 3)
        >>> print(llc.export_module(model, (x, x.sum(1, keepdim=True)), "mse", "exported"))
        llc estimate --module exported/loss.pt --data-file exported/data.safetensors
    """
    try:
        from safetensors.torch import save_file
    except ImportError as error:
        raise ImportError("llc.export_module writes safetensors: pip install safetensors") from error
    folder = Path(folder)
    evaluator = Evaluator(model, samples_of(data, num_samples), loss_of(loss), device="cpu")
    precision = "f64" if evaluator._dtype == torch.float64 else "f32"
    exported = ExportedModule(folder / "loss.pt", folder / "data.safetensors", precision)
    with evaluator:
        evaluator.select(None)
        if evaluator.centre_losses is None:
            raise ValueError("loss: export needs the loss of each sample, and this returns only their mean: use reduction='none'")
        batch = evaluator._placed(evaluator.samples.batch(slice(0, evaluator.num_samples)))
        inputs = _inputs(batch, evaluator.num_samples)
        whole = _Losses(evaluator, batch)
        folder.mkdir(parents=True, exist_ok=True)
        unchecked = exported.module.with_suffix(".part")
        metadata = {"inputs": ",".join(inputs), **({"at_minimum": "true"} if evaluator.is_at_minimum else {})}
        try:
            with warnings.catch_warnings():
                # TorchScript is deprecated, and works; what tracing builds in as a constant the comparison finds.
                warnings.simplefilter("ignore")
                torch.jit.save(_traced(whole, [tensor[TRACED] for tensor in inputs.values()]), str(unchecked))
                _compare(unchecked, evaluator, list(inputs.values()))
            save_file({name: tensor.detach().contiguous().clone() for name, tensor in inputs.items()}, str(exported.data_file), metadata)
            unchecked.replace(exported.module)
        finally:
            unchecked.unlink(missing_ok=True)
    return exported


class _Losses(torch.nn.Module):
    """The loss of each sample as a function of the tensors of a batch, with the model's own parts under their own names."""

    def __init__(self, evaluator: Evaluator, batch: Any):
        super().__init__()
        model = evaluator.model
        for name, module in model._modules.items():
            self.add_module(name, module)
        for name, parameter in model._parameters.items():
            self.register_parameter(name, parameter)
        for name, buffer in model._buffers.items():
            self.register_buffer(name, buffer, persistent=name not in model._non_persistent_buffers_set)
        # Not as a module: its parts would have two names.
        self.__dict__["whole"] = evaluator, batch
        self.eval()

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        evaluator, batch = self.__dict__["whole"]
        tensors = iter(tensors)
        return evaluator.loss_function(evaluator.model, mapped(lambda _: next(tensors), batch))


def _inputs(batch: Any, num_samples: int) -> dict[str, torch.Tensor]:
    """The tensors of a batch by the names that the data file has them under: keys of dicts, places in tuples."""
    named = dict(_named(batch, ""))
    for name, tensor in named.items():
        if tensor.ndim == 0 or len(tensor) != num_samples:
            raise ValueError(f"data: {name} has the shape {tuple(tensor.shape)}, and there are {num_samples} samples: every tensor needs a row for each")
        if "," in name:
            raise ValueError(f"data: the name {name!r} has a comma, which separates the names of inputs in the file")
    if len(named) != len(list(leaves(batch))):
        raise ValueError("data: two tensors of a batch have the same name")
    return named


def _named(batch: Any, path: str):
    if isinstance(batch, torch.Tensor):
        yield path or "input", batch
    elif isinstance(batch, Mapping):
        for name, part in batch.items():
            yield from _named(part, f"{path}.{name}" if path else str(name))
    elif isinstance(batch, (tuple, list)):
        for place, part in enumerate(batch):
            yield from _named(part, f"{path}.{place}" if path else str(place))


def _traced(whole: _Losses, tensors: list[torch.Tensor]) -> torch.jit.ScriptModule:
    try:
        return torch.jit.trace(whole, tuple(tensors), check_trace=False)
    except Exception as error:
        raise ValueError(f"model: torch.jit.trace can't follow it: {error}") from error


def _compare(path: Path, evaluator: Evaluator, tensors: list[torch.Tensor]) -> None:
    """Refuses a file whose losses or gradients are not the model's."""
    module = torch.jit.load(str(path))
    known = {name: p for name, p in module.named_parameters() if p.requires_grad}
    missing = [name for name in evaluator.names if name not in known]
    if missing:
        raise ValueError(f"model: the traced module has no parameter {missing[0]}: is it recreated in forward?")
    with torch.jit.optimized_execution(False), torch.no_grad():
        size = evaluator.chunk_size
        parts = [module(*(tensor[start : start + size] for tensor in tensors)) for start in range(0, evaluator.num_samples, size)]
        if not all(part.ndim == 1 for part in parts) or not _close(torch.cat(parts).double(), torch.from_numpy(evaluator.centre_losses)):
            raise ValueError(OTHER_LOSSES)
    with torch.jit.optimized_execution(False):
        for rows in (rows for rows in COMPARED if rows.stop <= evaluator.num_samples):
            batch = evaluator._placed(evaluator.samples.batch(rows))
            ours, _ = evaluator._losses(batch, rows.stop - rows.start)
            theirs = module(*(tensor[rows] for tensor in tensors))
            if not ours.requires_grad:
                raise ValueError("loss: it does not depend on the model's parameters by autograd: is it computed under no_grad, or from .data?")
            if not _close(theirs, ours):
                raise ValueError(OTHER_LOSSES)
            wanted = torch.autograd.grad(ours.sum(), evaluator._sampled, allow_unused=True)
            found = torch.autograd.grad(theirs.sum(), [known[name] for name in evaluator.names], allow_unused=True)
            for name, a, b in zip(evaluator.names, wanted, found):
                if (a is None) != (b is None) or a is not None and not _close(b, a):
                    raise ValueError(f"model: the traced module has another gradient of {name} than the model")


def _close(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    wanted = wanted.to_dense() if wanted.is_sparse else wanted
    found = found.to_dense() if found.is_sparse else found
    scale = wanted.abs().max().item() if wanted.numel() else 0.0
    return found.shape == wanted.shape and bool(((found - wanted).abs() <= ROUNDING * scale + 1e-8).all())
