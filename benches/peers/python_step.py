"""Times an SGLD step of the Python package, of the bare pass in PyTorch, and of devinterp 1.3.2 where that is installed.

    python python_step.py              # about five minutes

The three take turns, so that a neighbour's load mostly cancels in the ratios. A step of llc includes the drawing of the minibatch, the update, the noise,
the record of the draw, and the gradients of the diagnostics at every tenth kept draw.
"""

import statistics
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import llc

try:
    from devinterp.optim import SGLD
    from devinterp.slt.sampler import estimate_learning_coeff_with_summary
except ImportError:
    SGLD = None

BATCH, N, ROUNDS = 256, 5000, 5


def bare(model, x, y, steps: int) -> float:
    """Microseconds of a forward and backward pass on one minibatch, with its loss read."""
    parameters = list(model.parameters())
    xb, yb = x[:BATCH], y[:BATCH]
    began = time.perf_counter()
    for _ in range(steps):
        loss = F.cross_entropy(model(xb), yb)
        torch.autograd.grad(loss, parameters)
        loss.item()
    return (time.perf_counter() - began) / steps * 1e6


def drawn(model, x, y, steps: int) -> float:
    """The same on minibatches that are drawn, by the losses of samples, as llc is given them: what any loop in Python does."""
    parameters = list(model.parameters())
    began = time.perf_counter()
    for _ in range(steps):
        rows = torch.randint(0, N, (BATCH,))
        loss = F.cross_entropy(model(x.index_select(0, rows)), y.index_select(0, rows), reduction="none").mean()
        torch.autograd.grad(loss, parameters)
        loss.item()
    return (time.perf_counter() - began) / steps * 1e6


def by_llc(model, x, y, steps: int) -> float:
    losses = lambda model, batch: F.cross_entropy(model(batch[0]), batch[1], reduction="none")
    est = llc.estimate(
        model, (x, y), losses, gamma=100, epsilon=1e-7, num_chains=1, num_steps=steps, batch_size=BATCH, extrapolate_step="off",
        check_localisation="off", record=None, progress=False,
    )
    return 1e6 / est.report["timing"]["steps_per_s"]


def by_devinterp(model, x, y, steps: int) -> float:
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=BATCH, shuffle=True)
    began = time.perf_counter()
    estimate_learning_coeff_with_summary(
        model, loader=loader, evaluate=lambda model, data: F.cross_entropy(model(data[0]), data[1]), sampling_method=SGLD,
        optimizer_kwargs=dict(lr=1e-7, localization=100.0, nbeta=600.0), num_chains=1, num_draws=steps, verbose=False, seed=0,
    )
    return (time.perf_counter() - began) / steps * 1e6


def numpy_step() -> float:
    """Microseconds of a step of MALA around a quadratic in NumPy, d = 200: the cost of the callback itself."""
    quadratic = lambda w, indices: (0.5 * float(w @ w), w)
    est = llc.estimate_function(
        quadratic, np.zeros(200), num_samples=1000, sampler="mala", gamma=1, epsilon=1e-4, num_chains=1, num_steps=20_000, check_localisation="off",
        record=None, progress=False,
    )
    return 1e6 / est.report["timing"]["steps_per_s"]


def main():
    torch.manual_seed(0)
    print(f"{torch.get_num_threads()} threads")
    print(f"NumPy quadratic, d = 200: {numpy_step():.0f} µs a step")
    for widths, steps in (((10, 10, 8), 2000), ((784, 1000, 200, 10), 400)):
        layers = [layer for a, b in zip(widths, widths[1:]) for layer in (nn.Linear(a, b), nn.ReLU())][:-1]
        model = nn.Sequential(*layers)
        x, y = torch.randn(N, widths[0]), torch.randint(0, widths[-1], (N,))
        ways = {"bare pass": bare, "drawn batch": drawn, "llc": by_llc, **({"devinterp": by_devinterp} if SGLD else {})}
        times = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                times[name].append(way(model, x, y, steps))
        d = sum(p.numel() for p in model.parameters())
        for name, found in times.items():
            ratio = statistics.median(a / b for a, b in zip(found, times["bare pass"]))
            print(f"{' → '.join(map(str, widths))}, d = {d}: {name:11} {statistics.median(found):9.0f} µs a step, {ratio:.2f} of the bare pass")


if __name__ == "__main__":
    main()
