"""Follows a small transformer over its training: λ̂ of the whole model, of its layers, and of the attention and the MLP in each.

A GPT-2 of two layers reads the sources of Python's standard library byte by byte, so that nothing has to be downloaded. Its checkpoints go to
`llc.curve`, first whole and then with `params` restricted to parts. The loss is "own-function", the cross-entropy towards the checkpoint's own
predictions: a checkpoint from the middle of a training is a minimum of this loss, and not of the one that it was trained on. GPT-2 keeps the
queries, keys and values of all heads of a layer in one tensor, `c_attn`; parts of tensors are not supported yet, and so the attention of a
layer is the smallest part here, not a single head.

All curves have the same nβ and γ, so that they can be compared. The region around w* that they describe is small: γ alone would let each
parameter move by 1/√γ = 0.006. That, few sequences and short chains let it run in about twenty-five minutes on one core of a processor.

Needs: pip install "llc-estimator[torch,plot]" transformers
Run:   python transformer.py --output transformer.png
"""

import argparse
import os
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel

import llc

PARTS = {
    "whole model": "*",
    "layer 0": "transformer.h.0.*",
    "layer 1": "transformer.h.1.*",
    "attention 0": "transformer.h.0.attn.*",
    "MLP 0": "transformer.h.0.mlp.*",
    "attention 1": "transformer.h.1.attn.*",
    "MLP 1": "transformer.h.1.mlp.*",
}
LENGTH = 64  # of a sequence, in bytes
VOCABULARY = 128  # ASCII
HELD_OUT = 500  # sequences


def sequences(num_bytes: int) -> torch.Tensor:
    """The first bytes of the standard library's sources as sequences `[num_sequences, LENGTH]`, in a fixed random order."""
    text = b""
    for path in sorted(Path(os.__file__).parent.glob("*.py")):
        text += path.read_text(encoding="utf-8").encode("ascii", errors="ignore")
        if len(text) >= num_bytes:
            break
    text = text[: num_bytes // LENGTH * LENGTH]
    ids = torch.from_numpy(np.frombuffer(text, np.uint8).astype(np.int64)).view(-1, LENGTH)
    return ids[torch.randperm(len(ids), generator=torch.Generator().manual_seed(0))]


def next_byte_loss(model, ids: torch.Tensor) -> torch.Tensor:
    """The cross-entropy of the next byte in nats, a mean over the bytes of each sequence `[batch]`."""
    logits = model(input_ids=ids).logits[:, :-1]
    return F.cross_entropy(logits.movedim(-1, 1), ids[:, 1:], reduction="none").mean(1)


def mean_loss(model, ids: torch.Tensor) -> float:
    model.eval()
    with torch.no_grad():
        return torch.cat([next_byte_loss(model, part) for part in ids.split(100)]).mean().item()


def train(model, ids: torch.Tensor, held_out: torch.Tensor, steps: list[int], batch_size: int, learning_rate: float):
    """Checkpoints `(step, state dict)`, and the losses `[num_checkpoints, 2]` on the first training data and on those held out."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    checkpoints, losses = [], []
    for step in range(1, steps[-1] + 1):
        model.train()
        loss = next_byte_loss(model, ids[torch.randint(len(ids), (batch_size,))]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step in steps:
            checkpoints.append((step, {name: tensor.clone() for name, tensor in model.state_dict().items()}))
            losses.append([mean_loss(model, ids[: len(held_out)]), mean_loss(model, held_out)])
            print(f"step {step}: loss {losses[-1][0]:.3f}, held out {losses[-1][1]:.3f} nats a byte", flush=True)
    return checkpoints, np.array(losses)


def draw(losses: np.ndarray, curves: dict[str, llc.Curve], output: str) -> None:
    whole, parts = curves["whole model"], {name: curve for name, curve in curves.items() if name != "whole model"}
    figure, (top, middle, bottom) = plt.subplots(3, 1, figsize=(7.5, 8.5), sharex=True, layout="constrained", height_ratios=(2, 3, 4))
    top.plot(whole.steps, losses[:, 0], "o-", color="black", ms=3, lw=1, label="training data")
    top.plot(whole.steps, losses[:, 1], "o--", color="black", ms=3, lw=1, mfc="white", label="held-out data")
    points(middle, whole, "o-", color="black", label="whole model")
    for (name, curve), shift in zip(parts.items(), np.linspace(-0.05, 0.05, len(parts))):
        kind, layer = name.split()
        style = {"layer": "o-", "attention": "^--", "MLP": "s:"}[kind]
        # Neighbours are drawn slightly apart, so that their intervals do not hide each other.
        points(bottom, curve, style, shift, color=f"C{layer}", label=f"{kind} of layer {layer}" if kind != "layer" else f"whole layer {layer}")
    top.set(xscale="log", ylabel="loss (nats a byte)", xticks=whole.steps, xticklabels=whole.steps)
    top.minorticks_off()
    middle.set(ylabel="λ̂, all parameters", ylim=(0, None))
    bottom.set(yscale="log", ylabel="λ̂, only the part sampled", xlabel="step of the training")
    bottom.yaxis.set_major_formatter("{x:g}")
    for axes in (top, middle, bottom):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    figure.suptitle("λ̂ of a transformer over its training, 90 % intervals; hollow: not trusted", fontsize="medium")
    figure.savefig(output, dpi=120)


def points(axes, curve: llc.Curve, style: str, shift: float = 0.0, *, color: str, label: str) -> None:
    """λ̂ over the steps with its 90 % intervals, hollow where the verdict is `not_trusted`."""
    steps = np.array(curve.steps) * np.exp(shift)
    axes.plot(steps, curve.llc, style, color=color, ms=5, lw=1, label=label)
    axes.vlines(steps, *curve.ci90.T, color=color, lw=1.5)
    doubtful = np.array([not point.is_trusted for point in curve.points])
    axes.plot(steps[doubtful], curve.llc[doubtful], style[0], color=color, mfc="white", ms=5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", default="transformer.png", help="the picture")
    parser.add_argument("--width", type=int, default=64, help="n_embd")
    parser.add_argument("--num-bytes", type=int, default=2_000_000, help="bytes of text")
    parser.add_argument("--train-steps", type=int, default=2000)
    parser.add_argument("--train-batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--num-checkpoints", type=int, default=7)
    parser.add_argument("--num-samples", type=int, default=32, help="sequences of the loss that λ̂ is about")
    parser.add_argument("--n-beta", type=float, default=1e4)
    parser.add_argument("--gamma", type=float, default=3e4)
    parser.add_argument("--epsilon", default="1.3e-6", help="size of a step of a chain, or auto")
    parser.add_argument("--num-chains", type=int, default=3)
    parser.add_argument("--num-steps", type=int, default=900, help="steps of a chain")
    parser.add_argument("--batch-size", type=int, default=4, help="sequences of a step of a chain")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    ids = sequences(args.num_bytes)
    held_out, ids = ids[:HELD_OUT], ids[HELD_OUT:]
    config = GPT2Config(
        vocab_size=VOCABULARY, n_positions=LENGTH, n_embd=args.width, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0, use_cache=False,
        activation_function="gelu_pytorch_tanh",  # GPT-2's own, in one faster call
    )
    model = GPT2LMHeadModel(config)
    steps = [round(step) for step in np.geomspace(20, args.train_steps, args.num_checkpoints)]
    checkpoints, losses = train(model, ids, held_out, steps, args.train_batch_size, args.learning_rate)

    data = {"input_ids": ids[: args.num_samples]}
    settings = dict(
        model=model, n_beta=args.n_beta, gamma=args.gamma, epsilon=args.epsilon, num_chains=args.num_chains, num_steps=args.num_steps,
        batch_size=args.batch_size, warmup=0.25, extrapolate_step="off", check_localisation="off", record=None,
    )
    curves = {}
    for name, params in PARTS.items():
        began = time.monotonic()
        curves[name] = llc.curve(checkpoints, data, "own-function", params=params, **settings)
        print(f"{name}, {params}: {time.monotonic() - began:.0f} s\n{curves[name]}", flush=True)
    draw(losses, curves, args.output)


if __name__ == "__main__":
    main()
