"""Computes the loss of a PyTorch model and its gradient at parameters that lie in flat buffers.

The model's parameters become views of the buffer that a chain moves: nothing is copied on a CPU. On a GPU one copy of d numbers goes each
way at every step. `Evaluator` is a context: the model is afterwards what it was before, whatever happens inside.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch

from ._buffers import Buffer, ranges
from ._data import Held, Samples, mapped
from ._loss import Loss, OwnFunction

HALF = (torch.float16, torch.bfloat16)
# Samples of a pass over all of them at a time: enough for a processor's caches, little memory.
CHUNK = 500
# Two evaluations at the same parameters may differ by this much, relatively: sums in another order on a GPU.
ROUNDING = 1e-5


class Evaluator:
    """The loss of `model` on `samples`, for the extension module.

    `names`, `specs`, `w_star`, `num_parameters`, `num_samples`, `centre_losses`, `init_loss`, `is_at_minimum` and `notes` are read by Rust, which calls
    `select`, then `loss`, `loss_and_grad` and `use_threads`, from whichever thread a chain runs on.
    """

    def __init__(self, model: torch.nn.Module, samples: Samples, loss: Loss, *, device=None, chunk_size: int | None = None):
        if not isinstance(model, torch.nn.Module):
            raise TypeError(f"model: {type(model).__name__} is not a torch.nn.Module; for a function of an array there is llc.estimate_function")
        lazy = [name for name, p in model.named_parameters() if isinstance(p, torch.nn.parameter.UninitializedParameter)]
        if lazy:
            raise ValueError(f"model: {lazy[0]} has no shape yet: call the model once on a batch first")
        self.model, self.samples, self.loss_function = model, samples, loss
        # Tied weights are one parameter, and have one name here.
        self._trainable = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        if not self._trainable:
            raise ValueError("model: no parameter has requires_grad=True, so that there is nothing to sample")
        self.names = [name for name, _ in self._trainable]
        self.num_parameters = sum(p.numel() for _, p in self._trainable)
        self.num_samples = samples.num_samples
        self.notes = list(samples.notes)
        self.chunk_size = chunk_size or samples.chunk_size or CHUNK
        self.centre_losses: np.ndarray | None = None
        self.init_loss = math.nan
        self.is_at_minimum = isinstance(loss, OwnFunction)
        self._device = torch.device(device) if device is not None else self._trainable[0][1].device
        self._dtype = _common_dtype(self._trainable)
        self._check_modules()
        self._saved: _Saved | None = None

    # The model is as it was found before and after.

    def __enter__(self) -> "Evaluator":
        self._saved = _Saved(self.model)
        self.model.eval()
        if self._device != self._trainable[0][1].device:
            for tensor in [*self.model.parameters(), *self.model.buffers()]:
                tensor.data = tensor.data.to(self._device)
        for tensor in [*self.model.parameters(), *self.model.buffers()]:
            if tensor.dtype in HALF:
                tensor.data = tensor.data.float()
        if isinstance(self.samples, Held) and self._device.type != "cpu":
            self.samples = self.samples.to(self._device)
        return self

    def __exit__(self, *_):
        if self._saved is not None:
            self._saved.restore()
            self._saved = None

    # What Rust calls.

    def select(self, sampled: list[int] | None) -> None:
        """Chooses the tensors of these places among `names`, or all of them, and looks at the loss at w*."""
        chosen = range(len(self.names)) if sampled is None else sampled
        self._sampled = [self._trainable[index][1] for index in chosen]
        held = {id(p) for p in self._sampled}
        for _, p in self._trainable:
            # No gradient is computed of what stays.
            p.requires_grad_(id(p) in held)
        self._shapes = [tuple(p.shape) for p in self._sampled]
        self.specs = [(self.names[index], list(shape)) for index, shape in zip(chosen, self._shapes)]
        self._ranges = ranges(self._shapes)
        dtype = np.float64 if self._dtype == torch.float64 else np.float32
        self.w_star = Buffer(np.empty(self._ranges[-1][1], dtype), self._views)
        for view, p in zip(self.w_star.views, self._sampled):
            view.copy_(p.detach())
        broken = [name for (name, _), view in zip(self.specs, self.w_star.views) if not torch.isfinite(view).all()]
        if broken:
            raise ValueError(f"model: {broken[0]} has an entry that is not finite, so that there is no loss around it")
        self._on_device = None
        if self._device.type != "cpu":
            flat = torch.empty(self._ranges[-1][1], dtype=self._dtype, device=self._device)
            self._on_device = flat, self._cut(flat), torch.empty(flat.shape, dtype=flat.dtype, pin_memory=True)
        self._bound: Buffer | None = None
        self._bind(self.w_star)
        self._look_at_centre()

    def loss(self, w: Buffer, indices: np.ndarray | None) -> float:
        """L(w), the mean over the samples of these indices, or over all."""
        self._bind(w)
        total, count = 0.0, 0
        with torch.no_grad():
            for batch, size in self._chunks(indices):
                losses, is_mean = self._losses(batch, size)
                total += losses.double().item() * size if is_mean else losses.double().sum().item()
                count += size
        return total / count

    def loss_and_grad(self, w: Buffer, indices: np.ndarray | None, grad: Buffer) -> float:
        """L(w) likewise; writes its gradient into `grad`."""
        self._bind(w)
        views = grad.views if self._on_device is None else None
        num_samples = self.num_samples if indices is None else len(indices)
        total, sums = 0.0, None
        with torch.enable_grad():
            for batch, size in self._chunks(indices):
                losses, is_mean = self._losses(batch, size)
                mean = losses if is_mean else losses.mean()
                if not mean.requires_grad:
                    raise ValueError(
                        "loss: it does not depend on the sampled parameters by autograd: is it computed under no_grad, or from .data, "
                        ".item() or .numpy()?"
                    )
                share = size / num_samples
                gradients = torch.autograd.grad(mean if share == 1 else mean * share, self._sampled, allow_unused=True)
                total += share * mean.item()
                sums = self._add(sums, gradients, views)
        if self._on_device is not None:
            _, _, pinned = self._on_device
            pinned.copy_(torch.cat([part.flatten() for part in sums]))
            torch.from_numpy(grad.array).copy_(pinned)
        return total

    def use_threads(self, num_threads: int) -> None:
        """Torch keeps a number of threads for each thread that calls it."""
        torch.set_num_threads(num_threads)

    # What they are made of.

    def _views(self, array: np.ndarray) -> list[torch.Tensor]:
        return self._cut(torch.from_numpy(array))

    def _cut(self, flat: torch.Tensor) -> list[torch.Tensor]:
        return [flat[first:end].view(shape) for (first, end), shape in zip(self._ranges, self._shapes)]

    def _bind(self, w: Buffer) -> None:
        """Lets the model's parameters be those of `w`."""
        if self._on_device is not None:
            flat, views, pinned = self._on_device
            pinned.copy_(torch.from_numpy(w.array))
            flat.copy_(pinned)
            if self._bound is None:
                for p, view in zip(self._sampled, views):
                    p.data = view
        elif self._bound is not w:
            for p, view in zip(self._sampled, w.views):
                p.data = view
        self._bound = w

    def _chunks(self, indices: np.ndarray | None) -> Iterable[tuple[object, int]]:
        """The batches of a pass over these samples, each with its size."""
        if indices is None:
            for start in range(0, self.num_samples, self.chunk_size):
                end = min(start + self.chunk_size, self.num_samples)
                yield self._placed(self.samples.batch(slice(start, end))), end - start
            return
        indices = torch.from_numpy(indices)
        for part in indices.split(self.chunk_size) if len(indices) > self.chunk_size else (indices,):
            yield self._placed(self.samples.batch(part)), len(part)

    def _placed(self, batch):
        is_half, device = self._saved is not None and self._saved.has_half, self._device
        if device.type == "cpu" and not is_half:
            return batch

        def place(leaf: torch.Tensor) -> torch.Tensor:
            return leaf.to(device, torch.float32 if is_half and leaf.dtype in HALF else leaf.dtype, non_blocking=True)

        return mapped(place, batch)

    def _losses(self, batch, size: int) -> tuple[torch.Tensor, bool]:
        """The loss of each of `size` samples, or their mean, and which of the two."""
        losses = self.loss_function(self.model, batch)
        if not isinstance(losses, torch.Tensor):
            raise TypeError(f"loss: it returned {type(losses).__name__}, not a tensor of per-sample losses [{size}] or of their mean")
        if losses.ndim == 0:
            return losses, True
        if losses.shape != (size,):
            raise ValueError(
                f"loss: it returned the shape {tuple(losses.shape)} for a batch of {size} samples: return per-sample losses [{size}], or "
                "their mean, a tensor without axes"
            )
        return losses, False

    def _add(self, sums, gradients, views):
        """Adds the gradients of a chunk to those before: in place in `views` on a CPU, where the first ones are written."""
        if views is None:
            gradients = [_dense(g) if g is not None else torch.zeros_like(p) for g, p in zip(gradients, self._sampled)]
            return gradients if sums is None else [a + b for a, b in zip(sums, gradients)]
        for view, gradient in zip(views, gradients):
            if gradient is None:
                if sums is None:
                    view.zero_()
            elif sums is None:
                view.copy_(_dense(gradient))
            else:
                view.add_(_dense(gradient))
        return views

    def _check_modules(self) -> None:
        for name, module in self.model.named_modules():
            is_batch_norm = isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
            if is_batch_norm and not isinstance(module, torch.nn.modules.instancenorm._InstanceNorm) and module.running_mean is None:
                raise ValueError(
                    f"model: {name or 'it'} is a batch norm without running statistics: the loss of a sample then depends on the batch that "
                    "it is in, and there is no one loss to take λ̂ of; set track_running_stats=True and train on"
                )
        changing = {type(module).__name__ for module in self.model.modules() if module.training and _depends_on_mode(module)}
        if changing:
            self.notes.append(
                f"the model was in train mode; it was sampled in eval mode, with {', '.join(sorted(changing))} as there: λ̂ belongs to one "
                "fixed loss"
            )

    def _look_at_centre(self) -> None:
        """Computes the loss of each sample at w*, and checks that it is a function of the parameters alone."""
        self.samples = self.loss_function.prepared(self.model, self.samples, self.chunk_size)
        every, mean, is_per_sample, unused = [], 0.0, True, None
        with torch.no_grad():
            for place, (batch, size) in enumerate(self._chunks(None)):
                losses, is_mean = self._losses(batch, size)
                if place == 0:
                    self._check_repeats(batch, size, losses)
                is_per_sample &= not is_mean
                if is_mean:
                    mean += losses.double().item() * size / self.num_samples
                else:
                    every.append(losses.double().cpu())
        if is_per_sample:
            self.centre_losses = torch.cat(every).numpy()
            mean = float(self.centre_losses.mean())
        if not math.isfinite(mean):
            raise ValueError(f"loss: it is {mean} at the model's parameters: λ̂ is about a loss that is finite there")
        self.init_loss = mean
        batch, size = next(iter(self._chunks(np.arange(min(self.num_samples, self.chunk_size)))))
        with torch.enable_grad():
            losses, is_mean = self._losses(batch, size)
            loss = losses if is_mean else losses.mean()
            if loss.requires_grad:
                gradients = torch.autograd.grad(loss, self._sampled, allow_unused=True)
                unused = [name for (name, _), gradient in zip(self.specs, gradients) if gradient is None]
        if unused:
            self.notes.append(f"the loss does not depend on {', '.join(unused)}: these directions are flat, held by γ alone")

    def _check_repeats(self, batch, size: int, losses: torch.Tensor) -> None:
        """Refuses a loss that is not a function of the parameters: live dropout, noise, batch statistics, a counter."""
        live = [name or "the model" for name, module in self.model.named_modules() if module.training and _depends_on_mode(module)]
        if live:
            raise ValueError(f"loss: it puts {live[0]} into train mode, where dropout and batch norm change the loss at every call; leave it in eval mode")
        again, _ = self._losses(batch, size)
        apart = (again.double() - losses.double()).abs().max().item()
        if apart > ROUNDING * (losses.double().abs().max().item() + ROUNDING):
            raise ValueError(
                f"loss: two evaluations at the same parameters and samples differ by {apart:.2g}: something in it is random (functional "
                "dropout, noise) or keeps a state; λ̂ belongs to one fixed loss"
            )


class _Saved:
    """What is to be put back: parameters, buffers, modes, and the generators of random numbers."""

    def __init__(self, model: torch.nn.Module):
        self.modes = [(module, module.training) for module in model.modules()]
        self.parameters = [(p, p.data, p.requires_grad) for p in model.parameters()]
        self.buffers = [(b, b.data, b.detach().clone()) for b in model.buffers()]
        self.has_half = any(tensor.dtype in HALF for tensor in [*model.parameters(), *model.buffers()])
        self.num_threads = torch.get_num_threads()
        self.generator = torch.get_rng_state()
        self.cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else None

    def restore(self) -> None:
        for module, was_training in self.modes:
            module.training = was_training
        for p, data, required_grad in self.parameters:
            p.data = data
            p.requires_grad_(required_grad)
        for buffer, data, values in self.buffers:
            buffer.data = data
            with torch.no_grad():
                buffer.copy_(values)
        torch.set_num_threads(self.num_threads)
        torch.set_rng_state(self.generator)
        if self.cuda is not None:
            torch.cuda.set_rng_state_all(self.cuda)


def _common_dtype(trainable) -> torch.dtype:
    """What all parameters are sampled in: float32 for half precision, else their own."""
    kinds = {torch.float32 if p.dtype in HALF else p.dtype for _, p in trainable}
    if len(kinds) > 1 or not kinds <= {torch.float32, torch.float64}:
        found = ", ".join(sorted(str(kind).removeprefix("torch.") for kind in {p.dtype for _, p in trainable}))
        raise ValueError(f"model: its parameters are {found}: make them one of float32 and float64, by model.float() or model.double()")
    return kinds.pop()


def _depends_on_mode(module: torch.nn.Module) -> bool:
    dropout, batch_norm = torch.nn.modules.dropout._DropoutNd, torch.nn.modules.batchnorm._BatchNorm
    return isinstance(module, batch_norm) or isinstance(module, dropout) and module.p > 0


def _dense(gradient: torch.Tensor) -> torch.Tensor:
    return gradient.to_dense() if gradient.is_sparse else gradient
