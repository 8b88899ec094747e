"""Estimates λ of deep linear networks, whose exact value is known, in NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import theory
from ._buffers import ranges
from ._estimate import _FunctionEvaluator, _of_function
from ._result import Estimate

# Inputs are uniform on (-10, 10) in each coordinate, as in the published experiments.
HALF_WIDTH = 10.0
# Numbers of inputs that are held: more are a matter for `llc dln`, which draws them again from their key.
HELD = 2**27


class DeepLinearEstimate(Estimate):
    """λ̂ of a deep linear network, beside the exact λ."""

    known: dict

    @property
    def lambda_true(self) -> float:
        """The exact local learning coefficient."""
        return self.known["lambda_true"]

    @property
    def relative_error(self) -> float:
        """(λ̂ - λ)/λ."""
        return (self.llc - self.lambda_true) / self.lambda_true


class _DeepLinear:
    """The mean squared error of X·W_1⋯W_L against X·P*, over outputs too, and its gradient by hand.

    On all samples X enters through R alone, with RᵀR = XᵀX/n: that costs as much as a minibatch of as many rows as there are inputs.
    """

    __name__ = "deep linear network"

    def __init__(self, widths: Sequence[int], rank: int, num_samples: int, seed: int):
        rng = np.random.default_rng(seed)
        self.shapes = list(zip(widths, widths[1:]))
        self.ranges = ranges(self.shapes)
        # Every layer has the same rank, W_l = U_(l-1)·diag(σ_l)·U_lᵀ, so that Aoyagi's λ is the local one.
        frames = [np.linalg.qr(rng.standard_normal((width, rank)))[0] for width in widths]
        layers = [(u * rng.uniform(0.5, 1.5, rank)) @ v.T for u, v in zip(frames, frames[1:])]
        self.w_star = np.concatenate([layer.ravel() for layer in layers])
        self.product = np.linalg.multi_dot([np.eye(widths[0]), *layers])
        self.x = rng.uniform(-HALF_WIDTH, HALF_WIDTH, (num_samples, widths[0]))
        values, vectors = np.linalg.eigh(self.x.T @ self.x / num_samples)
        self.factor = np.sqrt(values.clip(0))[:, None] * vectors.T

    # A step that was too large is refused for its loss.
    @np.errstate(over="ignore", invalid="ignore")
    def __call__(self, w: np.ndarray, indices: np.ndarray | None) -> tuple[float, np.ndarray]:
        layers = [w[first:end].reshape(shape) for (first, end), shape in zip(self.ranges, self.shapes)]
        hidden, rows = ([self.factor], 1) if indices is None else ([self.x[indices]], len(indices))
        for layer in layers:
            hidden.append(hidden[-1] @ layer)
        residual = hidden[-1] - hidden[0] @ self.product
        scale = 1 / (rows * residual.shape[1])
        grad, delta = np.empty_like(w), 2 * scale * residual
        for place in reversed(range(len(layers))):
            first, end = self.ranges[place]
            grad[first:end] = (hidden[place].T @ delta).ravel()
            delta = delta @ layers[place].T
        return scale * float(np.vdot(residual, residual)), grad


def dln(widths: Sequence[int], rank: int, *, num_samples: int = 100_000, gamma: float | str | None = 1.0, seed: int = 0, **settings):
    """Estimates λ of a deep linear network around a true parameter whose layers all have rank `rank`; needs no PyTorch.

    Returns a `DeepLinearEstimate`.

    The exact λ stands beside it, so that a sampler and its settings can be tried where the answer is known. The truth and the inputs are drawn by
    NumPy from `seed`; `llc dln`, which has the published truths and the exact draws of Gibbs, draws others.

    Parameters
    ----------
    widths
        `[H_0, …, H_L]`, input first.
    rank
        Rank of every layer, at most the smallest width.
    num_samples
        n, of which n/ln n is the default nβ. The inputs are held: n·H_0 numbers.

    gamma
        The strength γ of the localisation.
    seed
        Of truth, inputs and chains.

    The others, and their defaults, are those of `estimate_function`: HMC, recorded in `runs`.

    Examples
    --------
    >>> import llc
    >>> est = llc.dln([5, 6, 5], rank=2, num_samples=10_000, num_steps=400, record=None, progress=False)
    >>> est.lambda_true
    12.0
    >>> abs(est.relative_error) < 0.1
    True
    """
    known = theory.dln(widths, rank)
    if num_samples * widths[0] > HELD:
        raise ValueError(f"num_samples: {num_samples} inputs of {widths[0]} numbers are too many to hold; the program llc dln holds none")
    network = _DeepLinear(widths, rank, num_samples, seed)
    evaluator = _FunctionEvaluator(network, network.w_star, num_samples)
    evaluator.is_at_minimum = True
    evaluator.notes = [f"the exact coefficient is λ = {known['lambda_true_exact']}, of multiplicity {known['multiplicity']}"]

    def result(*found) -> DeepLinearEstimate:
        estimate = DeepLinearEstimate(*found)
        estimate.known = known
        return estimate

    facts = {"model": network.__name__, "loss": "squared-error", "data": f"uniform on (-10, 10)^{widths[0]}"}
    return _of_function(evaluator, facts, result, gamma=gamma, seed=seed, **settings)
