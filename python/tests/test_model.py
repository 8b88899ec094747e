"""Estimates around PyTorch models: the model stays as it was, and each peculiarity is right or refused."""

import copy
import math
import os
import signal
import threading
import time

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import llc
from llc._data import samples_of
from llc._evaluator import Evaluator
from llc._loss import loss_of
from mixer import mixed

QUICK = dict(progress=False, record=None, check_localisation="off")


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def state_of(model):
    """All that an estimate must leave as it is."""
    return (
        {name: (value.clone(), value.data_ptr(), value.dtype) for name, value in model.state_dict().items()},
        {name: (p.requires_grad, p.grad is None) for name, p in model.named_parameters()},
        [module.training for module in model.modules()],
        torch.get_rng_state().clone(),
        torch.get_num_threads(),
    )


def assert_unchanged(model, before):
    values, flags, modes, generator, threads = before
    for name, value in model.state_dict().items():
        was, address, dtype = values[name]
        assert torch.equal(value, was) and value.data_ptr() == address and value.dtype == dtype, name
    assert {name: (p.requires_grad, p.grad is None) for name, p in model.named_parameters()} == flags
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), generator) and torch.get_num_threads() == threads


def regression(n=200, inputs=3):
    """A linear model at the minimum of its own data: λ̂ is Σ ½·nβh/(nβh + γ) over the curvatures h of the mean squared error."""
    x = torch.randn(n, inputs, dtype=torch.float64)
    model = nn.Linear(inputs, 1).double()
    y = model(x).detach()
    design = torch.cat([x, torch.ones(n, 1, dtype=torch.float64)], 1)
    curvatures = 2 * torch.linalg.eigvalsh(design.T @ design / n)
    exact = lambda n_beta, gamma: float((0.5 * n_beta * curvatures / (n_beta * curvatures + gamma)).sum())
    return model, (x, y), exact


def everything():
    """A model with batch norm, dropout, tied weights, a frozen parameter, a buffer of its own and an unused parameter."""

    class Everything(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(4, 4, bias=False)
            self.norm = nn.BatchNorm1d(4)
            self.dropout = nn.Dropout(0.3)
            self.second = nn.Linear(4, 4, bias=False)
            self.second.weight = self.first.weight
            self.scale = nn.Parameter(torch.ones(4), requires_grad=False)
            self.unused = nn.Parameter(torch.zeros(2))
            self.register_buffer("shift", torch.full((4,), 0.5))

        def forward(self, x):
            return self.second(self.dropout(self.norm(self.first(x)))) * self.scale + self.shift

    return Everything(), (torch.randn(60, 4), torch.randint(0, 4, (60,)))


@pytest.mark.law
def test_the_interval_of_a_linear_regression_covers_its_exact_value_by_every_kind_of_gradient():
    model, data, exact = regression()
    for given in (dict(sampler="hmc", num_steps=600, leapfrog_steps=5), dict(sampler="sgld", num_steps=1500, batch_size=100), dict(sampler="mala", num_steps=1500)):
        est = llc.estimate(model, data, "mse", n_beta=300, gamma=20, **given, **QUICK)
        assert abs(est.llc - exact(300, 20)) < 5 * est.mcse, (given, est)
        # Such short chains may have too few effective draws, and nothing else.
        assert set(est.reasons) <= {"too_few_effective_draws"}, (given, est.reasons)


def test_the_model_is_left_as_it_was():
    model, data = everything()
    model.train()
    model.eval()
    model.norm.train()
    before = state_of(model)
    est = llc.estimate(model, data, "cross-entropy", num_steps=40, epsilon=1e-4, gamma=10, **QUICK)
    assert_unchanged(model, before)
    assert math.isfinite(est.llc)
    # Tied weights count once, the frozen scale not at all.
    assert est.report["d"] == 16 + 8 + 2
    assert any("BatchNorm1d" in note for note in est.notes) and any("unused" in note for note in est.notes)


@pytest.mark.parametrize("sampler", ["sgld", "hmc"])
def test_the_model_is_left_as_it_was_after_an_exception_at_step_50(sampler, runs):
    model, data = everything()
    before, calls = state_of(model), 0

    def loss(model, batch):
        nonlocal calls
        calls += 1
        if calls == 120:
            raise KeyError("the user's own")
        return F.cross_entropy(model(batch[0]), batch[1], reduction="none")

    with pytest.raises(KeyError, match="the user's own"):
        llc.estimate(model, data, loss, sampler=sampler, num_steps=2000, epsilon=1e-4, gamma=10, record=runs, progress=False)
    assert_unchanged(model, before)


def test_ctrl_c_ends_with_the_draws_until_then_and_leaves_the_model(runs):
    model, data = everything()
    before = state_of(model)
    timer = threading.Timer(3.0, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.warns(UserWarning, match="resume="):
        est = llc.estimate(model, data, "cross-entropy", num_steps=10_000_000, epsilon=1e-4, gamma=10, warmup=0.0, record=runs, progress=False)
    timer.cancel()
    assert est.status == "INTERRUPTED" and est.trace().shape[1] > 10
    assert_unchanged(model, before)


def test_every_form_of_the_data_gives_the_same_draws():
    model, data = everything()
    x, y = data
    dataset = torch.utils.data.TensorDataset(x, y)

    class Own(torch.utils.data.Dataset):
        def __len__(self):
            return len(x)

        def __getitem__(self, index):
            return x[index], y[index]

    forms = {
        "tensors": data,
        "arrays": (x.numpy(), y.numpy()),
        "dict": {"inputs": x, "labels": y},
        "TensorDataset": dataset,
        "Dataset": Own(),
        "Subset": torch.utils.data.Subset(Own(), range(60)),
        "DataLoader": torch.utils.data.DataLoader(Own(), batch_size=60, shuffle=True),
        "list of batches": [(x[:25], y[:25]), (x[25:50], y[25:50]), (x[50:], y[50:])],
        "generator": ((x[i : i + 7], y[i : i + 7]) for i in range(0, 60, 7)),
    }

    def loss(model, batch):
        inputs, labels = batch.values() if isinstance(batch, dict) else batch
        return F.cross_entropy(model(inputs), labels, reduction="none")

    draws = {}
    for name, form in forms.items():
        est = llc.estimate(model, form, loss, num_samples=60, batch_size=20, num_steps=30, epsilon=1e-4, gamma=10, chunk_size=60, **QUICK)
        draws[name] = est.trace(warmup=True)
    for name, found in draws.items():
        assert np.array_equal(found, draws["tensors"]), name


def test_a_pass_in_chunks_of_different_sizes_is_the_mean_over_samples():
    model, (x, y) = everything()
    losses = lambda model, batch: F.cross_entropy(model(batch[0]), batch[1], reduction="none")
    means = lambda model, batch: F.cross_entropy(model(batch[0]), batch[1])
    found = []
    for loss in (losses, means, F.cross_entropy, nn.CrossEntropyLoss(), "cross-entropy"):
        for chunk_size in (60, 25):  # 25, 25 and 10 samples.
            evaluator = Evaluator(model, samples_of((x, y), None), loss_of(loss), chunk_size=chunk_size)
            with evaluator:
                evaluator.select(None)
                grad = evaluator.w_star.zeros_like()
                value = evaluator.loss_and_grad(evaluator.w_star, None, grad)
                assert abs(value - evaluator.loss(evaluator.w_star, None)) < 1e-6
                assert abs(value - evaluator.init_loss) < 1e-6
                found.append((value, grad.array.copy()))
    for value, grad in found:
        assert abs(value - found[0][0]) < 1e-6 and np.allclose(grad, found[0][1], atol=1e-6)


def test_gradients_are_those_of_finite_differences():
    model, data = everything()
    model = model.double()
    data = data[0].double(), data[1]
    evaluator = Evaluator(model, samples_of(data, None), loss_of("cross-entropy"))
    with evaluator:
        evaluator.select(None)
        w, grad, step = evaluator.w_star, evaluator.w_star.zeros_like(), 1e-6
        indices = np.arange(7)
        evaluator.loss_and_grad(w, indices, grad)
        for place in (0, 9, 17, 24):
            ends = []
            for sign in (1, -1):
                moved = w.zeros_like()
                moved.array[:] = w.array
                moved.array[place] += sign * step
                ends.append(evaluator.loss(moved, indices))
            assert abs((ends[0] - ends[1]) / (2 * step) - grad.array[place]) < 1e-7


def test_half_precision_is_sampled_in_single_precision():
    model, (x, y) = everything()
    single = copy.deepcopy(model).to(torch.bfloat16).float()
    half = copy.deepcopy(model).to(torch.bfloat16)
    before = state_of(half)
    settings = dict(num_steps=60, epsilon=1e-4, gamma=10, batch_size=20, **QUICK)
    of_half = llc.estimate(half, (x.to(torch.bfloat16), y), "cross-entropy", **settings)
    assert_unchanged(half, before)
    of_single = llc.estimate(single, (x.to(torch.bfloat16).float(), y), "cross-entropy", **settings)
    assert np.array_equal(of_half.trace(warmup=True), of_single.trace(warmup=True))


def test_a_part_of_the_parameters_is_sampled_and_the_rest_stays():
    model, data, _ = regression()
    model = nn.Sequential(model, nn.Linear(1, 1).double())
    seen = []

    def loss(model, batch):
        seen.append((model[0].weight.detach().clone(), model[1].bias.detach().clone()))
        return (model(batch[0]) - batch[1]).square().flatten(1).mean(1)

    est = llc.estimate(model, data, loss, params="0.weight", n_beta=100, gamma=1, epsilon=1e-3, num_steps=50, **QUICK)
    assert est.report["d"] == 3 and est.report["num_parameters"] == 6
    assert all(torch.equal(bias, model[1].bias) for _, bias in seen)
    assert len({tuple(weight.flatten().tolist()) for weight, _ in seen}) > 40
    listed = llc.estimate(model, data, loss, params=["0.weight", "1.*"], n_beta=100, gamma=1, epsilon=1e-3, num_steps=50, **QUICK)
    assert listed.report["d"] == 5
    with pytest.raises(ValueError, match="2.weight.*0.weight, 0.bias"):
        llc.estimate(model, data, loss, params="2.weight", **QUICK)


@pytest.mark.law
def test_around_its_own_function_the_centre_is_a_minimum_in_the_middle_of_a_training():
    model, (x, y) = everything()
    by_labels = llc.estimate(model, (x, y), "cross-entropy", n_beta=50, gamma=10, sampler="hmc", num_steps=500, leapfrog_steps=5, **QUICK)
    own = llc.estimate(model, (x, y), "own-function", n_beta=50, gamma=10, sampler="hmc", num_steps=500, leapfrog_steps=5, **QUICK)
    assert "not_a_minimum" in by_labels.reasons and own.is_trusted and own.llc > 0
    # The entropy of the model's own answers.
    model.eval()
    p = model(x).softmax(1)
    assert abs(own.init_loss + (p * p.log()).sum(1).mean().item()) < 1e-6
    regression_model, data, exact = regression()
    est = llc.estimate(regression_model, data[0], "own-function-mse", n_beta=300, gamma=20, sampler="hmc", num_steps=500, leapfrog_steps=5, **QUICK)
    assert abs(est.llc - exact(300, 20)) < 5 * est.mcse


@pytest.mark.law
def test_tied_weights_have_the_posterior_of_one_parameter():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(1, 1, bias=False).double()
            self.b = nn.Linear(1, 1, bias=False).double()
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.a(x) + self.b(x)

    x = torch.ones(50, 1, dtype=torch.float64)
    model = Tied()
    est = llc.estimate(model, (x, model(x).detach()), "mse", n_beta=200, gamma=50, sampler="hmc", num_steps=800, leapfrog_steps=3, **QUICK)
    # L = (2w − 2w*)²: one parameter of curvature 8.
    assert est.report["d"] == 1 and abs(est.llc - 0.5 * 1600 / 1650) < 5 * est.mcse


def test_the_background_run_leaves_the_model_free_and_gives_the_same_draws():
    model, data = everything()
    settings = dict(num_steps=300, epsilon=1e-4, gamma=10, **QUICK)
    here = llc.estimate(model, data, "cross-entropy", **settings)
    handle = llc.estimate(model, data, "cross-entropy", blocking=False, **settings)
    with torch.no_grad():
        model.first.weight.add_(1)
    est = handle.wait(120)
    assert np.array_equal(est.trace(warmup=True), here.trace(warmup=True))


def test_the_draws_open_in_arviz_and_the_record_holds_the_same(runs):
    xarray = pytest.importorskip("xarray")
    arviz = pytest.importorskip("arviz")
    model, data = everything()
    est = llc.estimate(model, data, "cross-entropy", num_steps=200, epsilon=1e-4, gamma=10, record=runs, progress=False)
    inference = est.to_arviz()
    assert float(arviz.rhat(inference.posterior["loss"])["loss"]) == pytest.approx(est.diagnostics["rhat"], rel=1e-6)
    again = llc.load(runs / "1")
    for name in ("loss", "distance"):
        assert np.array_equal(again.trace(name, warmup=True), est.trace(name, warmup=True))
    xarray.testing.assert_equal(again.draws["posterior"].to_dataset(), est.draws["posterior"].to_dataset())


def test_a_plot_shows_every_chain():
    pytest.importorskip("matplotlib").use("Agg")
    model, data = everything()
    est = llc.estimate(model, data, "cross-entropy", num_steps=100, epsilon=1e-4, gamma=10, **QUICK)
    traces, _ranks = est.plot().axes
    assert sum(line.get_label().startswith("chain") for line in traces.lines) == 4
    assert "λ̂" in est._repr_html_() and est.verdict in est._repr_html_()


def test_the_next_token_is_predicted_as_by_the_model_s_own_loss():
    tokens = torch.randint(0, 7, (30, 6))
    model = nn.Sequential(nn.Embedding(7, 8), nn.Linear(8, 7))
    data = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}

    class Language(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, input_ids, attention_mask):
            return self.inner(input_ids)

    language = Language()
    est = llc.estimate(language, data, "causal-lm", num_steps=20, epsilon=1e-4, gamma=10, **QUICK)
    expected = F.cross_entropy(model(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    assert abs(est.init_loss - expected.item()) < 1e-6


def test_a_curve_has_one_scale_and_leaves_the_model():
    model, data = everything()
    states = []
    for step in (10, 20):
        with torch.no_grad():
            model.first.weight.add_(0.1)
        states.append((step, copy.deepcopy(model.state_dict())))
    before = state_of(model)
    curve = llc.curve(states, data, "own-function", model=model, num_steps=40, epsilon=1e-4, progress=False, record=None, check_localisation="off")
    assert_unchanged(model, before)
    assert curve.steps == [10, 20] and len({point.gamma for point in curve.points}) == 1
    alone = llc.estimate(model, data, "own-function", num_steps=40, epsilon=1e-4, gamma="auto", **QUICK)
    assert curve.points[1].gamma == alone.gamma and curve.llc[1] == alone.llc
    with pytest.raises(ValueError, match="pairs of a step"):
        llc.curve([model.state_dict()], data, "own-function", model=model)
    with pytest.raises(TypeError, match="resume"):
        llc.curve(states, data, "own-function", model=model, resume="runs/1")


@pytest.mark.law
def test_batch_norm_dropout_tied_and_frozen_weights_have_the_coefficient_that_long_hmc_finds():
    model, x, y = mixed()
    settings = dict(gamma=2000, n_beta=5000, record=None, progress=False, check_localisation="off")
    exact = llc.estimate(model, (x, y), "own-function", sampler="hmc", num_steps=500, **settings)
    found = llc.estimate(model, (x, y), "own-function", epsilon=2e-5, batch_size=64, num_steps=6_000, extrapolate_step="off", **settings)
    assert exact.diagnostics["rhat"] < 1.05 and found.diagnostics["rhat"] < 1.05
    assert abs(found.llc - exact.llc) < 4 * (found.mcse**2 + exact.mcse**2) ** 0.5
    assert found.mcse < 0.05 * found.llc, "sharp enough to say something"
