"""Draws the traces of an estimate with matplotlib."""

from __future__ import annotations

import numpy as np


def plot_traces(est):
    """λ̂ draw by draw, and how often each chain holds each rank: level bars where the chains agree."""
    import matplotlib.pyplot as plt

    losses = est.trace("loss", warmup=True)
    num_warmup = est.report["num_warmup"]
    llc = est.n_beta * (losses - est.init_loss)
    figure, (traces, ranks) = plt.subplots(1, 2, figsize=(10, 3.2), width_ratios=(2, 1), layout="constrained")
    for chain, values in enumerate(llc):
        traces.plot(np.arange(len(values)), values, lw=0.6, label=f"chain {chain}")
    if num_warmup:
        traces.axvspan(0, num_warmup, color="0.9")
        traces.text(0, 0.97, " warm-up", transform=traces.get_xaxis_transform(), va="top", fontsize="small", color="0.4")
    traces.axhline(est.llc, color="black", lw=1)
    if np.isfinite(est.ci90).all():
        traces.axhspan(*est.ci90, color="black", alpha=0.15, lw=0)
    traces.set(xlabel="draw", ylabel="nβ (L − L(w*))", title=f"λ̂ = {est.llc:.4g} ± {est.mcse:.2g}, {est.verdict}")
    kept = llc[:, num_warmup:]
    if kept.size:
        ranked = kept.ravel().argsort().argsort().reshape(kept.shape)
        bins = np.linspace(0, kept.size, 21)
        heights = [np.histogram(chain, bins)[0] for chain in ranked]
        level = kept.shape[1] / 20
        bases = 2.2 * level * np.arange(len(heights))
        for height, base in zip(heights, bases):
            ranks.bar(bins[:-1], height, width=np.diff(bins), align="edge", bottom=base, alpha=0.8)
            ranks.plot([0, kept.size], [base + level] * 2, color="black", lw=0.8, ls="--")
        # In the colours of the traces.
        ranks.set_yticks(bases + level / 2, [f"chain {chain}" for chain in range(len(heights))])
    ranks.set(xlabel="rank of the draw among all chains", title="ranks: level where chains agree")
    return figure


def plot_profile(profile, ax=None, **style):
    """λ̂ over √E‖w − w*‖², hollow where a rung is not certified."""
    ax = ax or _axes()
    _points(ax, profile.radius, profile.llc, profile.ci90, profile.is_certified, **style)
    ax.set(xscale="log", xlabel="radius of the region, √E‖w − w*‖²", ylabel="λ̂")
    return ax.figure


def plot_curve(curve, ax=None, **style):
    """λ̂ over the steps of a training, hollow where it is not trusted."""
    ax = ax or _axes()
    _points(ax, np.array(curve.steps), curve.llc, curve.ci90, curve.is_trusted, **style)
    ax.set(xlabel="step", ylabel="λ̂")
    return ax.figure


def _axes():
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(5.5, 3.6), layout="constrained")[1]


def _points(ax, x, llc, ci90, is_good, color="C0", label=None) -> None:
    ax.plot(x, llc, color=color, lw=1, alpha=0.5, label=label)
    for good in (True, False):
        chosen = is_good == good
        if chosen.any():
            below, above = llc[chosen] - ci90[chosen, 0], ci90[chosen, 1] - llc[chosen]
            face = color if good else "white"
            ax.errorbar(x[chosen], llc[chosen], [below, above], fmt="o", color=color, mfc=face, capsize=2)
