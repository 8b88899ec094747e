"""Holds flat parameters in arrays that Rust and Python see alike."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np


class Buffer:
    """A flat array of float32 or float64, with what `view` makes of it: the tensors of a model, say."""

    __slots__ = ("array", "view", "_views")

    def __init__(self, array: np.ndarray, view: Callable[[np.ndarray], object]):
        self.array, self.view, self._views = array, view, None

    def zeros_like(self) -> "Buffer":
        return Buffer(np.zeros_like(self.array), self.view)

    @property
    def views(self):
        """What `view` makes of the array; made once."""
        if self._views is None:
            self._views = self.view(self.array)
        return self._views


def ranges(shapes: list[tuple[int, ...]]) -> list[tuple[int, int]]:
    """Where tensors of these shapes begin and end in a flat array, one behind the other."""
    ends = [0]
    for shape in shapes:
        ends.append(ends[-1] + math.prod(shape))
    return list(zip(ends, ends[1:]))
