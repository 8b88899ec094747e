"""Holds the cases and what is timed on them: the bare pass, a careful PyTorch loop, devinterp, and its DataLoader alone.

A peer has `seconds_per_step(num_steps)`: one step that isn't timed, then `num_steps` that are. All work in f32, around the
true parameter w* of a noise-free data set in memory, with a step so small that the values stay as they are.
"""

import itertools
import math
import time
import warnings
from collections import namedtuple

import torch
from devinterp.optim import SGLD
from devinterp.slt.sampler import estimate_learning_coeff_with_summary
from devinterp.utils import evaluate_mse
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader, TensorDataset

BATCH_SIZE = 500
NUM_SAMPLES = 20 * BATCH_SIZE
N_BETA = NUM_SAMPLES / math.log(NUM_SAMPLES)
GAMMA = 1.0
EPSILON = 1e-9

Case = namedtuple("Case", "name widths threads")

CASES = [
    Case("small", [10, 10, 10], 1),
    Case("medium", [185, 259, 286, 885, 235, 204, 274, 252], 2),
    Case("large", [1500] * 11, 2),
]


def num_parameters(widths):
    return sum(fan_in * fan_out for fan_in, fan_out in itertools.pairwise(widths))


class Truth:
    """The layers W_l of w*, shape [H_(l−1), H_l], inputs x, and targets y = x·W_1⋯W_L."""

    def __init__(self, widths):
        torch.manual_seed(1)
        self.layers = [torch.randn(shape) / math.sqrt(shape[0]) for shape in itertools.pairwise(widths)]
        self.x = torch.randn(NUM_SAMPLES, widths[0])
        self.y = forward(self.x, self.layers)


def forward(x, layers):
    for layer in layers:
        x = x @ layer
    return x


def timed(step, num_steps):
    step()
    start = time.perf_counter()
    for _ in range(num_steps):
        step()
    return (time.perf_counter() - start) / num_steps


class BarePass:
    """The matrix products of a forward and a backward pass into buffers that are there: no loss, no update."""

    name = "bare pass"

    def __init__(self, truth):
        inputs = [truth.x[:BATCH_SIZE].clone()]
        for layer in truth.layers:
            inputs.append(inputs[-1] @ layer)
        deltas = [torch.randn_like(values) for values in inputs[1:]]
        # (left, right, out) of each product: H_l = H_(l−1)·W_l, then ∇W_l = H_(l−1)ᵀ·Δ_l and Δ_(l−1) = Δ_l·W_lᵀ.
        self.products = list(zip(inputs, truth.layers, inputs[1:]))
        for at, layer in reversed(list(enumerate(truth.layers))):
            self.products.append((inputs[at].T, deltas[at], torch.empty_like(layer)))
            if at > 0:
                self.products.append((deltas[at], layer.T, deltas[at - 1]))

    def step(self):
        for left, right, out in self.products:
            torch.mm(left, right, out=out)

    def seconds_per_step(self, num_steps):
        return timed(self.step, num_steps)


class CarefulLoop:
    """SGLD as one writes it in PyTorch with an eye on speed: autograd, then an update of one flat vector in place."""

    name = "careful loop"

    def __init__(self, truth):
        self.truth = truth
        self.w = torch.cat([layer.flatten() for layer in truth.layers])
        self.w_star = self.w.clone()
        self.noise = torch.empty_like(self.w)
        shapes = [layer.shape for layer in truth.layers]
        pieces = self.w.split([shape.numel() for shape in shapes])
        self.layers = [piece.view(shape).requires_grad_() for piece, shape in zip(pieces, shapes)]
        self.index = torch.empty(BATCH_SIZE, dtype=torch.int64)
        self.x = torch.empty(BATCH_SIZE, truth.x.shape[1])
        self.y = torch.empty(BATCH_SIZE, truth.y.shape[1])
        self.loss_sum = 0.0

    def step(self):
        """w ← w − (ε/2)·(nβ·∇L + γ(w − w*)) + √ε·N(0, I)"""
        torch.randint(NUM_SAMPLES, (BATCH_SIZE,), out=self.index)
        torch.index_select(self.truth.x, 0, self.index, out=self.x)
        torch.index_select(self.truth.y, 0, self.index, out=self.y)
        loss = mse_loss(forward(self.x, self.layers), self.y)
        grads = torch.autograd.grad(loss, self.layers)
        with torch.no_grad():
            self.w.lerp_(self.w_star, 0.5 * EPSILON * GAMMA)
            torch._foreach_add_(self.layers, grads, alpha=-0.5 * EPSILON * N_BETA)
            self.w.add_(self.noise.normal_(), alpha=math.sqrt(EPSILON))
        self.loss_sum += loss.item()

    def seconds_per_step(self, num_steps):
        return timed(self.step, num_steps)


class Devinterp:
    """devinterp's SGLD as its introduction calls it: one chain, a shuffled DataLoader, no callback but the estimator."""

    name = "devinterp"

    def __init__(self, truth):
        self.model = torch.nn.Sequential(*(linear(layer) for layer in truth.layers))
        self.loader = shuffled_loader(truth)

    def seconds_per_step(self, num_steps):
        """Between the first and the last timed step, so without the set-up of a call."""
        step_starts_s.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimate_learning_coeff_with_summary(
                self.model,
                self.loader,
                evaluate=evaluate,
                sampling_method=SGLD,
                optimizer_kwargs={"lr": EPSILON, "localization": GAMMA, "nbeta": N_BETA},
                num_chains=1,
                num_draws=num_steps + 2,
                device="cpu",
                verbose=False,
            )
        return (step_starts_s[-1] - step_starts_s[-1 - num_steps]) / num_steps


class Loader:
    """The DataLoader that devinterp is given, alone: a part of devinterp's step."""

    name = "DataLoader alone"

    def __init__(self, truth):
        self.batches = epochs(shuffled_loader(truth))

    def seconds_per_step(self, num_steps):
        return timed(lambda: next(self.batches), num_steps)


PEERS = [BarePass, CarefulLoop, Devinterp, Loader]

# devinterp pickles `evaluate` and so would a list that it carried; a list of this module stays the same one.
step_starts_s = []


def evaluate(model, batch):
    step_starts_s.append(time.perf_counter())
    return evaluate_mse(model, batch)


def linear(layer):
    module = torch.nn.Linear(*layer.shape, bias=False)
    with torch.no_grad():
        module.weight.copy_(layer.T)
    return module


def shuffled_loader(truth):
    return DataLoader(TensorDataset(truth.x, truth.y), batch_size=BATCH_SIZE, shuffle=True)


def epochs(loader):
    while True:
        yield from loader
