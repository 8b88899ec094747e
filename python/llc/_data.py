"""Brings the user's data into one form: n samples, of which a batch is chosen by index."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch

# Data below this size are read once and held as tensors: a batch is then an index_select, not a loop over samples in Python.
HELD_BYTES = 2 * 1024**3
# Samples that are read at a time to hold them.
READ_AT_ONCE = 512


class Samples:
    """n samples. Batches have the form that the user's own DataLoader would give."""

    num_samples: int
    #: What a reader should know of how the data were taken.
    notes: list[str]
    #: Class of what the user gave, for the record.
    name: str
    #: The user's own batch size, where he said one: as many samples are passed through the model at once.
    chunk_size: int | None = None

    def batch(self, indices: torch.Tensor | slice) -> Any:
        """The samples of these indices (int64, on the CPU) or of this range."""
        raise NotImplementedError


class Held(Samples):
    """Samples that are tensors with n rows each, in any nesting of tuples, lists and dicts."""

    def __init__(self, tensors: Any, name: str, notes: Iterable[str] = (), chunk_size: int | None = None):
        lengths = {leaf.shape[0] if leaf.ndim else 0 for leaf in leaves(tensors)}
        if len(lengths) != 1:
            raise ValueError(f"data: the tensors have different numbers of rows ({_listed(lengths)}); row i of each belongs to sample i")
        (self.num_samples,) = lengths
        self.tensors, self.name, self.notes, self.chunk_size = tensors, name, list(notes), chunk_size

    def batch(self, indices):
        if isinstance(indices, slice):
            return mapped(lambda leaf: leaf[indices], self.tensors)
        return mapped(lambda leaf: leaf.index_select(0, indices.to(leaf.device)), self.tensors)

    def to(self, device: torch.device) -> "Held":
        """The same on `device`, where they are small enough to stay there."""
        if size_bytes(self.tensors) <= HELD_BYTES:
            self.tensors = mapped(lambda leaf: leaf.to(device), self.tensors)
        return self

    def first(self, num_samples: int) -> "Held":
        return Held(self.batch(slice(0, num_samples)), self.name, self.notes, self.chunk_size)


class Fetched(Samples):
    """Samples that a dataset gives one by one, because they are many or of different shapes."""

    def __init__(self, dataset: Any, collate: Callable, num_samples: int, name: str, notes: Iterable[str], chunk_size: int | None):
        self.dataset, self.collate, self.num_samples = dataset, collate, num_samples
        self.name, self.notes, self.chunk_size = name, list(notes), chunk_size

    def batch(self, indices):
        chosen = range(self.num_samples)[indices] if isinstance(indices, slice) else indices.tolist()
        return self.collate([self.dataset[index] for index in chosen])


def samples_of(data: Any, num_samples: int | None) -> Samples:
    """`data` as samples; the first `num_samples` of them where that is given.

    Raises TypeError for what is not data, ValueError for data that do not fit together.
    """
    name = type(data).__name__
    if isinstance(data, Samples):
        return data
    if isinstance(data, (torch.Tensor, np.ndarray)) or _is_table(data):
        return _cut(Held(mapped(torch.as_tensor, data), name), num_samples)
    if isinstance(data, torch.utils.data.DataLoader):
        return _of_loader(data, num_samples)
    if isinstance(data, torch.utils.data.TensorDataset):
        return _cut(Held(list(data.tensors), name), num_samples)
    if _is_dataset(data):
        return _of_dataset(data, torch.utils.data.default_collate, num_samples, name, None)
    if isinstance(data, Iterable) and not isinstance(data, (str, bytes, Mapping)):
        return _of_batches(data, num_samples, name)
    raise TypeError(
        f"data: {name} is not data that llc can read: give tensors such as (x, y), a Dataset, a DataLoader, "
        "or an iterable of batches together with num_samples"
    )


def _of_loader(loader: torch.utils.data.DataLoader, num_samples: int | None) -> Samples:
    dataset, name = loader.dataset, f"DataLoader of {type(loader.dataset).__name__}"
    if isinstance(dataset, torch.utils.data.IterableDataset):
        return _of_batches(loader, num_samples, name)
    usual = (torch.utils.data.SequentialSampler, torch.utils.data.RandomSampler, type(None))
    notes = []
    if not isinstance(getattr(loader, "sampler", None), usual):
        kind = type(loader.sampler).__name__
        notes.append(f"the DataLoader's {kind} is not used: the loss is the mean over its whole dataset, every sample once")
    if isinstance(dataset, torch.utils.data.TensorDataset) and loader.collate_fn is torch.utils.data.default_collate:
        return _cut(Held(list(dataset.tensors), name, notes, loader.batch_size), num_samples)
    return _of_dataset(dataset, loader.collate_fn, num_samples, name, loader.batch_size, notes)


def _of_dataset(dataset, collate, num_samples, name, chunk_size, notes=()) -> Samples:
    n = len(dataset)
    if num_samples is not None:
        if num_samples > n:
            raise ValueError(f"num_samples is {num_samples}, and the dataset has {n} samples")
        n = num_samples
    if n == 0:
        raise ValueError("data: the dataset is empty")
    notes = list(notes)
    one, again = collate([dataset[0]]), collate([dataset[0]])
    can_be_held = _is_table(one) or isinstance(one, torch.Tensor)
    is_fixed = not can_be_held or equal(one, again)
    if can_be_held and n * size_bytes(one) <= HELD_BYTES:
        read = lambda start: collate([dataset[index] for index in range(start, min(start + READ_AT_ONCE, n))])
        held = joined([read(start) for start in range(0, n, READ_AT_ONCE)])
        if held is not None:
            if not is_fixed:
                notes.append(
                    "the dataset gives a sample anew at each access (a random augmentation?): λ̂ belongs to one fixed loss, so "
                    "every sample is kept as it was first read"
                )
            return Held(held, name, notes, chunk_size)
    if not is_fixed:
        raise ValueError(
            "data: the dataset gives a sample anew at each access (a random augmentation?), and is too large to be held: λ̂ belongs "
            "to one fixed loss; turn the augmentation off, or give num_samples"
        )
    return Fetched(dataset, collate, n, name, notes, chunk_size)


def _of_batches(batches: Iterable, num_samples: int | None, name: str) -> Samples:
    if num_samples is None and not hasattr(batches, "__len__"):
        raise ValueError("data: an iterable without a length may never end: give num_samples, of which L is the mean")
    taken, count, size = [], 0, None
    for batch in batches:
        batch = mapped(torch.as_tensor, batch)
        rows = {leaf.shape[0] if leaf.ndim else 0 for leaf in leaves(batch)}
        if len(rows) != 1 or rows == {0}:
            raise ValueError(f"data: the rows of batch {len(taken)} can't be counted: it holds tensors of {_listed(rows)} rows")
        taken.append(batch)
        size = size or next(iter(rows))
        count += next(iter(rows))
        if num_samples is not None and count >= num_samples:
            break
    if num_samples is not None and count < num_samples:
        raise ValueError(f"data: the batches hold {count} samples, fewer than num_samples, {num_samples}")
    if not taken:
        raise ValueError("data: there is no batch")
    held = joined(taken)
    if held is None:
        raise ValueError(
            "data: the batches have rows of different shapes, so that samples can't be taken out of them: give a Dataset with a "
            "collate_fn in a DataLoader"
        )
    return _cut(Held(held, name, chunk_size=size), num_samples)


def _cut(held: Held, num_samples: int | None) -> Held:
    if num_samples is None:
        return held
    if num_samples > held.num_samples:
        raise ValueError(f"num_samples is {num_samples}, and the data have {held.num_samples} samples")
    return held.first(num_samples)


def _is_dataset(data: Any) -> bool:
    """Whether samples are reached by index: PyTorch's datasets, those of Hugging Face, anything of that kind."""
    return hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, (str, bytes, list, tuple, Mapping))


def _is_table(data: Any) -> bool:
    """Whether `data` is a nesting of tensors and arrays alone, and not a list of batches."""
    if isinstance(data, Mapping):
        return bool(data) and all(isinstance(part, (torch.Tensor, np.ndarray)) or _is_table(part) for part in data.values())
    if isinstance(data, (tuple, list)):
        return bool(data) and all(isinstance(part, (torch.Tensor, np.ndarray)) for part in data)
    return False


def leaves(batch: Any) -> Iterable[torch.Tensor]:
    """The tensors of a batch."""
    if isinstance(batch, torch.Tensor):
        return [batch]
    if isinstance(batch, Mapping):
        return itertools.chain.from_iterable(map(leaves, batch.values()))
    if isinstance(batch, (tuple, list)):
        return itertools.chain.from_iterable(map(leaves, batch))
    return []


def mapped(change: Callable, batch: Any) -> Any:
    """The batch with each of its tensors and arrays changed; other parts stay."""
    if isinstance(batch, (torch.Tensor, np.ndarray)):
        return change(batch)
    if isinstance(batch, Mapping):
        return {name: mapped(change, part) for name, part in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(mapped(change, part) for part in batch))
    if isinstance(batch, (tuple, list)):
        return type(batch)(mapped(change, part) for part in batch)
    return batch


def joined(batches: list) -> Any | None:
    """The batches one after the other; None where their rows have different shapes."""
    first = batches[0]
    if isinstance(first, torch.Tensor):
        shapes = {(batch.shape[1:], batch.dtype) for batch in batches}
        return torch.cat(batches) if len(shapes) == 1 else None
    names = list(first) if isinstance(first, Mapping) else range(len(first))
    parts = [joined([batch[name] for batch in batches]) for name in names]
    if any(part is None for part in parts):
        return None
    return dict(zip(names, parts)) if isinstance(first, Mapping) else parts


def equal(one: Any, other: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(leaves(one), leaves(other)))


def size_bytes(batch: Any) -> int:
    return sum(leaf.numel() * leaf.element_size() for leaf in leaves(batch))


def _listed(values: Iterable) -> str:
    return " and ".join(str(value) for value in sorted(values))
