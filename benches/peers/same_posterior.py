"""Estimates λ̂ of one small classifier by llc and by devinterp 1.3.2 at the same posterior, beside long HMC.

    python same_posterior.py              # five seeds, about fifteen minutes on one core

Needs a Python environment with the package llc, torch and devinterp==1.3.2.
"""

import argparse
import time

import numpy as np
import torch
from devinterp.optim import SGLD
from devinterp.slt.sampler import estimate_learning_coeff_with_summary
from torch import nn
from torch.nn import functional as F

import llc

GAMMA = 100.0


def classifier(n: int = 1000):
    """A perceptron (d = 1,002) trained to the labels of a random one, its data and its loss."""
    torch.manual_seed(0)
    x = torch.randn(n, 20)
    teacher = nn.Sequential(nn.Linear(20, 30), nn.Tanh(), nn.Linear(30, 12))
    y = (3 * teacher(x)).argmax(1)
    model = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 12))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(3000):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model, x, y


def by_devinterp(model, x, y, seed: int, n_beta: float, **settings):
    """λ̂ with the spread that it reports, and seconds."""
    torch.manual_seed(seed)
    data = torch.utils.data.TensorDataset(x, y)
    loader = torch.utils.data.DataLoader(data, batch_size=256, shuffle=True)
    began = time.perf_counter()
    found = estimate_learning_coeff_with_summary(
        model,
        loader=loader,
        evaluate=lambda model, data: F.cross_entropy(model(data[0]), data[1]),
        sampling_method=SGLD,
        optimizer_kwargs=dict(nbeta=n_beta, localization=GAMMA, **{"lr": settings.pop("lr")}),
        seed=seed,
        verbose=False,
        **settings,
    )
    return float(found["llc/mean"]), float(found["llc/std"]), time.perf_counter() - began


def by_llc(model, x, y, seed: int, n_beta: float, **settings):
    """λ̂ with its standard error, and seconds."""
    losses = lambda model, batch: F.cross_entropy(model(batch[0]), batch[1], reduction="none")
    began = time.perf_counter()
    est = llc.estimate(model, (x, y), losses, n_beta=n_beta, gamma=GAMMA, seed=seed, record=None, progress=False, **settings)
    return est, time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    torch.set_num_threads(1)
    model, x, y = classifier()
    n_beta = len(x) / np.log(len(x))
    exact, seconds = by_llc(model, x, y, 100, n_beta, sampler="hmc", num_steps=800)
    print(f"long HMC: {exact!r}, R-hat {exact.diagnostics['rhat']:.3f}, {seconds:.0f} s")
    error = lambda llc: 100 * (llc - exact.llc) / exact.llc

    rows = {
        "devinterp, 100 draws, lr 1e-4": dict(lr=1e-4, num_draws=100, num_chains=3),
        "devinterp, 1,000 draws after 500, lr 1e-4": dict(lr=1e-4, num_draws=1000, num_chains=4, num_burnin_steps=500),
        "devinterp, 1,000 draws after 500, lr 1e-3": dict(lr=1e-3, num_draws=1000, num_chains=4, num_burnin_steps=500),
    }
    for name, settings in rows.items():
        found = [by_devinterp(model, x, y, seed, n_beta, **dict(settings)) for seed in seeds]
        report(name, error, [(llc, spread, seconds, "") for llc, spread, seconds in found])
    for name, settings in {"llc, default settings": {}, "llc, hmc, 150 steps": dict(sampler="hmc", num_steps=150), "llc, hmc, 300 steps": dict(sampler="hmc", num_steps=300)}.items():
        found = [by_llc(model, x, y, seed, n_beta, **settings) for seed in seeds]
        report(name, error, [(est.llc, est.mcse, seconds, est.verdict) for est, seconds in found])
        covered = sum(low <= exact.llc <= high for low, high in (est.ci90 for est, _ in found))
        print(f"    its 90 % interval covers the value of long HMC in {covered} of {len(found)}")


def report(name, error, found):
    llc = np.array([row[0] for row in found])
    spread = np.mean([row[1] for row in found])
    verdicts = ", ".join(sorted({row[3] for row in found if row[3]}))
    print(
        f"{name}: λ̂ {llc.mean():.2f}, error {error(llc.mean()):+.1f} % (worst {max(error(llc), key=abs):+.1f} %), "
        f"reported ± {spread:.2f}, {np.mean([row[2] for row in found]):.0f} s  {verdicts}"
    )


if __name__ == "__main__":
    main()
