"""Draws the same from Python as from the program `llc`, bit for bit, where both compute the same gradient."""

import gzip
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import llc

PROGRAM = os.environ.get("LLC_PROGRAM")
MNIST = Path(os.environ.get("LLC_SOURCE", Path(__file__).parents[2])) / "tests" / "fixtures" / "mnist"
# Both must compute with the same libtorch: that which the program is built with.
needs_program = pytest.mark.skipif(
    not PROGRAM or not torch.__version__.startswith("2.11."), reason="needs LLC_PROGRAM, built with the libtorch of this PyTorch"
)


def mnist():
    """The fixture's images as the program reads them, in [0, 1], and their labels."""
    images = np.frombuffer(gzip.decompress((MNIST / "train-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16)
    labels = np.frombuffer(gzip.decompress((MNIST / "train-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    x = torch.from_numpy(images.reshape(-1, 1, 28, 28).copy()).float() / 255
    return x, torch.from_numpy(labels.astype(np.int64))


def run(*arguments, cwd):
    done = subprocess.run([PROGRAM, *map(str, arguments)], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_program
@pytest.mark.parametrize("loss_around", ["labels", "own-function"])
def test_an_mlp_is_sampled_to_the_same_draws(tmp_path, loss_around):
    from safetensors.torch import load_file

    data = ["--data", "mnist", "--data-dir", MNIST, "--preprocessing", "scale"]
    run("train", "--model", "mlp", "--widths", 8, *data, "--num-epochs", 1, "--batch-size", 50, "--seed", 1, "--threads", 1, "-F", "runs", cwd=tmp_path)
    checkpoint = max((tmp_path / "runs" / "1" / "checkpoint").glob("*.safetensors"))
    settings = dict(n_beta=100, gamma=50, epsilon=1e-5, num_steps=60, batch_size=64, seed=3)
    flags = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", value)]
    run("estimate", "--checkpoint", checkpoint, *data, "--loss-around", loss_around, *flags, "--threads", 1, "-F", "runs", cwd=tmp_path)
    of_program = llc.load(tmp_path / "runs" / "2")

    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.ReLU(), nn.Linear(8, 10))
    tensors = load_file(checkpoint)
    with torch.no_grad():
        for p, name in zip(model.parameters(), ("fc1.weight", "fc1.bias", "fc.weight", "fc.bias")):
            p.copy_(tensors[name])
    loss = "own-function" if loss_around == "own-function" else "cross-entropy"
    of_python = llc.estimate(model, mnist(), loss, threads=1, record=None, progress=False, **settings)
    for name in ("loss", "distance"):
        assert np.array_equal(of_python.trace(name, warmup=True), of_program.trace(name, warmup=True)), name
    for key in ("llc", "diagnostics", "verdict", "largest_curvature", "descent"):
        if key == "diagnostics":
            # The names of the tensors are the model's own.
            both = [{**est.report[key], "virial_per_tensor": None} for est in (of_python, of_program)]
            assert both[0] == both[1]
        else:
            assert of_python.report[key] == of_program.report[key], key
