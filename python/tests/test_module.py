"""Models written as files, and sampled by the program `llc` without Python: the same draws, and wrong contracts by their names."""

import json
import os
import signal
import subprocess
import time

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import llc
from mixer import mixed

safetensors = pytest.importorskip("safetensors.torch")

PROGRAM = os.environ.get("LLC_PROGRAM")
needs_program = pytest.mark.skipif(
    not PROGRAM or not torch.__version__.startswith("2.11."), reason="needs LLC_PROGRAM, built with the libtorch of this PyTorch"
)
SETTINGS = dict(n_beta=40, gamma=50, epsilon=1e-4, num_steps=80, num_chains=2, batch_size=32, seed=3)


def flags_of(**settings):
    return [str(word) for name, value in {**SETTINGS, **settings}.items() for word in (f"--{name.replace('_', '-')}", value)]


FLAGS = flags_of()


def program(*arguments, cwd):
    return subprocess.run([PROGRAM, *map(str, arguments)], cwd=cwd, capture_output=True, text=True)


def estimated(exported, *flags, cwd, **settings):
    """The record of `llc estimate` around the exported files."""
    files = ["--module", exported.module, "--data-file", exported.data_file]
    done = program("estimate", *files, *flags_of(**settings), "--threads", 1, "-F", "runs", *flags, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return llc.load(cwd / "runs" / "1")


@needs_program
@pytest.mark.parametrize("loss, params", [("cross-entropy", None), ("own-function", None), ("cross-entropy", "head.*,second.weight")])
def test_an_exported_model_is_sampled_to_the_same_draws(tmp_path, loss, params):
    model, x, y = mixed()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    exported = llc.export_module(model, (x, y), loss, tmp_path / "exported")
    assert model.training and all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    of_program = estimated(exported, *(["--params", params] if params else []), cwd=tmp_path)
    of_python = llc.estimate(model, (x, y), loss, threads=1, record=None, progress=False, params=params or "*", **SETTINGS)
    for name in ("loss", "distance"):
        assert np.array_equal(of_python.trace(name, warmup=True), of_program.trace(name, warmup=True)), name
    for key in ("llc", "verdict", "d", "num_parameters", "init_loss", "n"):
        assert of_python.report[key] == of_program.report[key], key
    # The probes pass over all samples, which stand elsewhere in memory: MKL rounds by alignment.
    assert of_python.report["descent"] == pytest.approx(of_program.report["descent"], rel=1e-4)
    tied = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert of_program.report["num_parameters"] == tied, "a shared weight counts once"


@needs_program
def test_several_modules_are_points_of_one_record_and_a_profile_takes_one(tmp_path):
    model, x, y = mixed()
    for step in (2, 10):
        exported = llc.export_module(model, {"x": x, "labels": y}, lambda m, b: F.cross_entropy(m(b["x"]), b["labels"], reduction="none"), tmp_path / f"e{step}")
        with torch.no_grad():
            model.head.weight.mul_(1.1)
    done = program("estimate", "--module", "e*/loss.pt", "--data-file", exported.data_file, *FLAGS, "-F", "runs", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "runs" / "1" / "report.json").read_text())
    assert [point["checkpoint"] for point in report["points"]] == ["e2/loss.pt", "e10/loss.pt"]
    assert "data" not in report and "train_loss" not in report["points"][0]
    flags = ["--ladder", "1000", "--num-steps", "40", "--max-steps", "40"]
    done = program("profile", "--module", exported.module, "--data-file", exported.data_file, *flags, "-F", "runs", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [rung["gamma"] for rung in llc.load(tmp_path / "runs" / "2").report["rungs"]] == [1000]


@needs_program
def test_an_interrupted_run_around_a_module_is_continued_to_the_same_draws(tmp_path):
    model, x, y = mixed()
    exported = llc.export_module(model, (x, y), "cross-entropy", tmp_path / "exported")
    whole = estimated(exported, "--check-localisation", "off", cwd=tmp_path, num_steps=3000)
    command = [PROGRAM, "estimate", "--module", exported.module, "--data-file", exported.data_file, "--threads", "1", "-F", "runs"]
    command += [*flags_of(num_steps=3000), "--check-localisation", "off"]
    running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob("runs/2/draws.zarr")):
        assert running.poll() is None
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    assert running.wait() == 75, "interrupted"
    resumed = program("resume", "runs/2", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert np.array_equal(llc.load(tmp_path / "runs" / "2").trace("loss"), whole.trace("loss"))


def written(tmp_path, module, tensors, example, **metadata):
    """A module and its data as a user without `llc.export_module` writes them."""
    torch.jit.trace(module, example, check_trace=False).save(str(tmp_path / "loss.pt"))
    safetensors.save_file(tensors, str(tmp_path / "data.safetensors"), metadata or None)


class Squared(nn.Module):
    """The squared error of a linear model for each sample, or what `spoil` makes of it."""

    def __init__(self, spoil=lambda losses: losses):
        super().__init__()
        self.fc, self.spoil = nn.Linear(4, 1), spoil

    def forward(self, x, y):
        return self.spoil((self.fc(x).squeeze(1) - y).square())


X, Y = torch.randn(50, 4, generator=torch.Generator().manual_seed(1)), torch.randn(50, generator=torch.Generator().manual_seed(2))


@needs_program
@pytest.mark.parametrize(
    "module, tensors, flags, expected",
    [
        (Squared(lambda losses: losses.mean()), {"x": X, "y": Y}, [], "return the loss of each sample, shape"),
        (Squared(lambda losses: losses + torch.rand(4)[0] * 1e-2), {"x": X, "y": Y}, [], "something in it is random"),
        (Squared(lambda losses: losses.detach()), {"x": X, "y": Y}, [], "does not depend on its sampled parameters"),
        (Squared(lambda losses: losses / 0), {"x": X, "y": Y}, [], "loss is inf"),
        (Squared(), {"x": X}, [], "forward failed on the inputs (x)"),
        (Squared(), {"x": X, "y": Y[:9]}, [], "x [50, 4], y [9]"),
        (Squared(), {"x": X.double(), "y": Y}, [], "forward failed on the inputs (x, y)"),
        (Squared().double(), {"x": X.double(), "y": Y.double()}, [], "give --precision f64"),
        (Squared(), {"x": X, "y": Y}, ["--params", "head.*"], "the network has fc.weight, fc.bias"),
        (Squared(), {"x": X, "y": Y}, ["--loss-around", "own-function"], "a module defines its own network"),
        (Squared().requires_grad_(False), {"x": X, "y": Y}, [], "none of its parameters requires a gradient"),
    ],
)
def test_a_wrong_contract_is_named(tmp_path, module, tensors, flags, expected):
    dtype = next(module.parameters()).dtype
    written(tmp_path, module, tensors, (X[:4].to(dtype), Y[:4].to(dtype)))
    done = program("estimate", "--module", "loss.pt", "--data-file", "data.safetensors", *FLAGS, *flags, cwd=tmp_path)
    assert done.returncode != 0 and expected in done.stderr, done.stderr


@needs_program
def test_inputs_by_hand_come_in_the_order_of_their_names_or_as_the_file_lists_them(tmp_path):
    written(tmp_path, Squared(), {"b": Y, "a": X}, (X[:4], Y[:4]))
    by_name = program("estimate", "--module", "loss.pt", "--data-file", "data.safetensors", *FLAGS, "--json", "--quiet", cwd=tmp_path)
    written(tmp_path, Squared(), {"a": Y, "b": X}, (X[:4], Y[:4]), inputs="b,a")
    listed = program("estimate", "--module", "loss.pt", "--data-file", "data.safetensors", *FLAGS, "--json", "--quiet", cwd=tmp_path)
    assert by_name.returncode == listed.returncode == 0, by_name.stderr + listed.stderr
    state = tmp_path / "state.pt"
    torch.save(Squared().state_dict(), state)
    done = program("estimate", "--module", state, "--data-file", "data.safetensors", *FLAGS, cwd=tmp_path)
    assert done.returncode != 0 and "a state dict goes to --checkpoint" in done.stderr
    done = program("estimate", "--module", "loss.pt", cwd=tmp_path)
    assert done.returncode == 2 and "--data-file" in done.stderr


@needs_program
def test_a_float64_model_with_sparse_gradients_is_sampled_by_the_command_that_is_printed(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(12, 3, sparse=True), nn.Flatten(), nn.Linear(6, 2)).double()
    tokens, labels = torch.randint(0, 12, (40, 2)), torch.randint(0, 2, (40,))
    exported = llc.export_module(model, (tokens, labels), "cross-entropy", tmp_path / "a folder")
    assert str(exported).endswith("--precision f64") and "'" in str(exported)
    done = subprocess.run(str(exported).replace("llc", PROGRAM, 1) + " " + " ".join(FLAGS), shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class Late(nn.Module):
    """Another function for a sample that tracing does not see."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 1)

    def forward(self, x):
        return self.fc(x) * (2.0 if (x > 90).any() else 1.0)


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 1)

    def forward(self, x):
        # Another function for three samples than for four.
        return self.fc(x) * (2.0 if len(x) == 4 else 1.0)


def test_what_can_t_be_exported_is_refused_and_leaves_no_file(tmp_path):
    pair = (X, Y.unsqueeze(1))
    with pytest.raises(ValueError, match="can't be traced"):
        llc.export_module(Branching(), pair, "mse", tmp_path / "a")
    x = X.clone()
    x[40] = 100
    with pytest.raises(ValueError, match="can't be traced"):
        llc.export_module(Late(), (x, Y.unsqueeze(1)), "mse", tmp_path / "c")
    with pytest.raises(ValueError, match="only their mean"):
        llc.export_module(nn.Linear(4, 1), pair, nn.MSELoss(), tmp_path / "b")
    assert not list(tmp_path.glob("*/loss*"))


def test_a_transformer_is_exported_by_its_input_ids(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=20, n_positions=8, bos_token_id=None, eos_token_id=None)
    model = transformers.GPT2LMHeadModel(config)
    tokens = torch.randint(0, 20, (30, 8))
    exported = llc.export_module(model, {"input_ids": tokens}, "causal-lm", tmp_path)
    loaded = torch.jit.load(str(exported.module))
    assert "transformer.h.0.attn.c_attn.weight" in dict(loaded.named_parameters())
    model.eval()
    expected = F.cross_entropy(model(input_ids=tokens).logits[:, :-1].movedim(-1, 1), tokens[:, 1:], reduction="none").mean(1)
    assert torch.allclose(loaded(tokens), expected, atol=1e-5)
