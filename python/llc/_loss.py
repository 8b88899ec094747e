"""Names the usual losses, and takes the user's own: a loss is called with (model, batch)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional as F

from ._data import Samples, mapped


class Loss:
    """A loss of (model, batch): per-sample losses `[batch]`, or their mean."""

    def __init__(self, function: Callable, name: str):
        self.function, self.name = function, name

    def __call__(self, model, batch) -> torch.Tensor:
        return self.function(model, batch)

    def prepared(self, model, samples: Samples, chunk_size: int) -> Samples:
        """The samples with what the loss compares with, from the model at w*."""
        return samples


class OwnFunction(Loss):
    """The distance from the model's own outputs at w*, which is a minimum of it by construction."""

    def __init__(self, name: str, answers: Callable, distance: Callable):
        self.name, self.answers, self.distance = name, answers, distance

    def __call__(self, model, batch):
        batch, own = batch
        return self.distance(outputs(model, inputs(batch)), own)

    def prepared(self, model, samples, chunk_size):
        chunks = []
        with torch.no_grad():
            for start in range(0, samples.num_samples, chunk_size):
                batch = samples.batch(slice(start, start + chunk_size))
                device = next(model.parameters()).device
                batch = mapped(lambda leaf: leaf.to(device), batch)
                chunks.append(self.answers(outputs(model, inputs(batch))))
        return WithOwn(samples, torch.cat(chunks))


class WithOwn(Samples):
    """Samples with the model's own answers to them."""

    def __init__(self, samples: Samples, own: torch.Tensor):
        self.samples, self.own = samples, own
        self.num_samples, self.notes, self.name = samples.num_samples, samples.notes, samples.name
        self.chunk_size = samples.chunk_size

    def batch(self, indices):
        own = self.own[indices] if isinstance(indices, slice) else self.own.index_select(0, indices.to(self.own.device))
        return self.samples.batch(indices), own


def cross_entropy(out: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy in nats `[batch]`: over the classes of axis 1, or of the last one where that fits (transformers); a mean over positions.

    Targets of -100 do not count, as in PyTorch.
    """
    if target.is_floating_point():
        losses = F.cross_entropy(out, target, reduction="none")
        return losses.flatten(1).mean(1) if losses.ndim > 1 else losses
    if out.ndim > 2 and out.shape[:-1] == target.shape:
        out = out.movedim(-1, 1)
    losses = F.cross_entropy(out, target, reduction="none")
    if losses.ndim == 1:
        return losses
    counted = (target != -100).flatten(1).sum(1).clamp(min=1)
    return losses.flatten(1).sum(1) / counted


def squared_error(out: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Squared error `[batch]`, a mean over outputs, without a factor 1/2."""
    if out.shape != target.shape:
        raise ValueError(f"loss: the outputs have shape {tuple(out.shape)} and the targets {tuple(target.shape)}: make them the same")
    return (out - target).square().flatten(1).mean(1) if out.ndim > 1 else (out - target).square()


def _entropy_to(out: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    losses = -(own * F.log_softmax(out, dim=_classes(out))).sum(_classes(out))
    return losses.flatten(1).mean(1) if losses.ndim > 1 else losses


def _classes(out: torch.Tensor) -> int:
    # Transformers have their classes last, PyTorch's losses at 1: a distribution over either is a minimum at its own outputs.
    return -1 if out.ndim == 3 else 1


def causal_lm(model, batch) -> torch.Tensor:
    """Cross-entropy of the next token `[batch]`, a mean over the tokens of a sequence: of a dict with `input_ids`, or of a tensor of tokens.

    Positions whose `attention_mask` is 0, or whose `labels` are -100, do not count.
    """
    given = batch if isinstance(batch, Mapping) else {"input_ids": batch}
    labels = given.get("labels", given["input_ids"])
    if "attention_mask" in given:
        labels = labels.masked_fill(given["attention_mask"] == 0, -100)
    out = outputs(model, inputs(given) if isinstance(batch, Mapping) else batch)
    return cross_entropy(out[:, :-1], labels[:, 1:])


def classified(model, batch) -> torch.Tensor:
    """Cross-entropy of (inputs, labels)."""
    if isinstance(batch, Mapping) and "input_ids" in batch and "labels" in batch:
        labels, tokens = batch["labels"], batch["input_ids"]
        if labels.shape == tokens.shape and torch.equal(labels[labels != -100], tokens[labels != -100]):
            raise ValueError(
                'loss: the labels are the input_ids, as for a causal language model, which predicts the next token: take "causal-lm", which '
                "shifts them"
            )
    return cross_entropy(outputs(model, inputs(batch)), targets(batch))


NAMED: dict[str, Callable[[], Loss]] = {
    "cross-entropy": lambda: Loss(classified, "cross-entropy"),
    "causal-lm": lambda: Loss(causal_lm, "causal-lm"),
    "mse": lambda: Loss(supervised(squared_error), "mse"),
    "own-function": lambda: OwnFunction("own-function", lambda out: out.softmax(_classes(out)), _entropy_to),
    "own-function-mse": lambda: OwnFunction("own-function-mse", lambda out: out, squared_error),
}


def loss_of(loss: Any) -> Loss:
    """`loss` as one of (model, batch): by its name, PyTorch's own of (outputs, targets), or the user's."""
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, str):
        if loss not in NAMED:
            raise ValueError(f"loss: there is no {loss!r}; the names are {', '.join(NAMED)}, or give a function of (model, batch)")
        return NAMED[loss]()
    if not callable(loss):
        raise TypeError(f"loss: {type(loss).__name__} is neither a name ({', '.join(NAMED)}) nor a function of (model, batch)")
    name = getattr(loss, "__name__", type(loss).__name__)
    if isinstance(loss, torch.nn.modules.loss._Loss) or getattr(loss, "__module__", "") == "torch.nn.functional":
        return Loss(supervised(loss), name)
    return Loss(loss, name)


def supervised(criterion: Callable) -> Callable:
    """The loss of (model, batch) that compares outputs with the batch's targets."""

    def loss(model, batch):
        return criterion(outputs(model, inputs(batch)), targets(batch))

    return loss


def inputs(batch: Any) -> Any:
    """What the model is called with: all of a dict but its labels, the first of a pair."""
    if isinstance(batch, Mapping):
        return {name: part for name, part in batch.items() if name not in ("labels", "label")}
    return batch[0] if isinstance(batch, (tuple, list)) else batch


def targets(batch: Any) -> torch.Tensor:
    if isinstance(batch, Mapping):
        for name in ("labels", "label"):
            if name in batch:
                return batch[name]
        raise ValueError(f"loss: the batch has no 'labels', only {', '.join(map(repr, batch))}: give a function of (model, batch)")
    if isinstance(batch, (tuple, list)) and len(batch) == 2:
        return batch[1]
    raise ValueError("loss: a named loss needs batches of (inputs, targets): give such data, or a function of (model, batch)")


def outputs(model, given: Any) -> torch.Tensor:
    """What the model answers: the logits of a Hugging Face model, the first of several outputs."""
    out = model(**given) if isinstance(given, Mapping) else model(given)
    out = getattr(out, "logits", out)
    return out[0] if isinstance(out, (tuple, list)) else out
