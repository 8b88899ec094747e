"""Estimates around functions of an array: no PyTorch is needed."""

import json
import math
import time

import numpy as np
import pytest

import llc

QUICK = dict(progress=False, record=None, check_localisation="off")


def quadratic(w, indices):
    return 0.5 * float(w @ w), w


@pytest.mark.law
def test_intervals_cover_the_exact_value_of_a_quadratic():
    # E[nβ·L] = d/2·nβ/(nβ + γ) exactly.
    n_beta, gamma, d = 100.0, 25.0, 4
    exact = d / 2 * n_beta / (n_beta + gamma)
    found = [
        llc.estimate_function(quadratic, np.zeros(d), num_samples=1000, n_beta=n_beta, gamma=gamma, num_steps=300, leapfrog_steps=3, seed=seed, **QUICK)
        for seed in range(60)
    ]
    covered = sum(low <= exact <= high for low, high in (est.ci90 for est in found))
    # At a coverage of 90 % of 60 intervals fewer than 42 have a probability of 1e-6.
    assert covered >= 42
    z = (np.mean([est.llc for est in found]) - exact) / (np.mean([est.mcse for est in found]) / math.sqrt(60))
    assert abs(z) < 5


@pytest.mark.law
def test_a_step_size_bias_is_seen_by_an_unadjusted_sampler():
    # SGLD without noise of minibatches has the stationary variance 1/(a(1 − εa/4)), a = nβ + γ.
    n_beta, gamma, d, epsilon = 100.0, 25.0, 4, 8e-3
    a = n_beta + gamma
    exact = d / 2 * n_beta / a / (1 - epsilon * a / 4)
    est = llc.estimate_function(
        quadratic, np.zeros(d), num_samples=1000, n_beta=n_beta, gamma=gamma, sampler="sgld", gradient="exact", epsilon=epsilon, num_steps=8_000,
        extrapolate_step="off", **QUICK,
    )
    assert abs(est.llc - exact) < 5 * est.mcse
    assert est.verdict == "not_trusted" and "step_too_large" in est.reasons


def test_the_same_seed_gives_the_same_draws_and_another_seed_others():
    draw = lambda **given: llc.estimate_function(quadratic, np.zeros(3), num_samples=100, num_steps=50, epsilon=1e-2, **QUICK, **given).trace(warmup=True)
    first = draw(seed=1)
    assert np.array_equal(first, draw(seed=1))
    assert not np.array_equal(first, draw(seed=2))
    assert np.array_equal(first[:2], draw(seed=1, num_chains=2)), "a chain does not depend on how many there are"


def test_what_a_function_raises_comes_back_and_the_draws_until_then_are_recorded(runs):
    calls = 0

    def breaking(w, indices):
        nonlocal calls
        calls += 1
        if calls == 3000:
            raise ZeroDivisionError("at call 3000")
        return quadratic(w, indices)

    with pytest.raises(ZeroDivisionError, match="at call 3000") as caught:
        llc.estimate_function(breaking, np.zeros(3), num_samples=100, epsilon=1e-2, record=runs, progress=False)
    if hasattr(caught.value, "__notes__"):
        assert "chain " in caught.value.__notes__[0]
    run = json.loads((runs / "1" / "run.json").read_text())
    assert run["status"] == "FAILED" and "at call 3000" in "".join(run["fail_trace"])
    assert any((runs / "1" / "draws.zarr").rglob("c*")), "draws are on disk"


def test_an_interrupted_run_is_continued_to_the_draws_of_an_unbroken_one(runs):
    settings = dict(num_samples=100, num_steps=1500, epsilon=1e-2, sampler="mala", gamma=1, progress=False, check_localisation="off")
    unbroken = llc.estimate_function(quadratic, np.zeros(3), record=runs, **settings)
    slowly = lambda w, indices: (time.sleep(2e-4), quadratic(w, indices))[1]
    slowly.__name__ = quadratic.__name__
    handle = llc.estimate_function(slowly, np.zeros(3), record=runs, blocking=False, **settings)
    while not handle.is_done and sum(handle.inspect()["num_draws"]) < 2000:
        time.sleep(0.01)
    with pytest.warns(UserWarning, match="interrupted"):
        broken = handle.abort()
    assert broken.status == "INTERRUPTED" and broken.verdict == "not_trusted"
    continued = llc.estimate_function(quadratic, np.zeros(3), resume=broken.run_dir, **settings)
    assert continued.status == "COMPLETED" and continued.run_dir == broken.run_dir
    for name in ("loss", "distance"):
        assert np.array_equal(continued.trace(name, warmup=True), unbroken.trace(name, warmup=True))
    assert continued.llc == unbroken.llc


def test_a_run_is_not_continued_around_another_point(runs):
    settings = dict(num_samples=100, num_steps=1500, epsilon=1e-2, gamma=1, sampler="mala", progress=False)
    slowly = lambda w, indices: (time.sleep(2e-4), quadratic(w, indices))[1]
    handle = llc.estimate_function(slowly, np.zeros(3), record=runs, blocking=False, **settings)
    while not handle.is_done and sum(handle.inspect()["num_draws"]) < 100:
        time.sleep(0.01)
    with pytest.warns(UserWarning, match="interrupted"):
        run_dir = handle.abort().run_dir
    with pytest.raises(RuntimeError, match="another configuration"):
        llc.estimate_function(slowly, np.ones(3), resume=run_dir, **settings)


def test_a_handle_shows_the_draws_so_far_and_waits_with_a_limit():
    slowly = lambda w, indices: (time.sleep(1e-4), quadratic(w, indices))[1]
    handle = llc.estimate_function(slowly, np.zeros(2), num_samples=100, sampler="mala", epsilon=1e-2, num_steps=500, blocking=False, **QUICK)
    with pytest.raises(TimeoutError):
        handle.wait(0.01)
    est = handle.wait()
    assert handle.is_done and est.status == "COMPLETED"
    assert handle.inspect()["num_draws"] == [500] * 4
    assert np.allclose(handle.inspect()["llc"], est.per_chain)


def test_the_record_is_the_estimate(runs):
    est = llc.estimate_function(quadratic, np.zeros(3), num_samples=100, num_steps=400, record=runs, progress=False)
    assert est.run_dir == str(runs / "1")
    assert json.loads((runs / "1" / "report.json").read_text()) == est.report
    again = llc.load(runs / "1")
    assert (again.llc, again.ci90, again.verdict, str(again)) == (est.llc, est.ci90, est.verdict, str(est))
    config = json.loads((runs / "1" / "config.json").read_text())
    assert config["python"]["num_samples"] == 100 and config["sampler"]["num_steps"] == 400
    with pytest.raises(FileNotFoundError, match="no finished run"):
        llc.load(runs / "2")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(num_stepss=5), "did you mean `num_steps`"),
        (dict(gamma=-1), "gamma is -1"),
        (dict(n_beta="many"), "n_beta"),
        (dict(sampler="sgdl"), "sgdl"),
        (dict(leapfrog_steps=5, sampler="sgld"), "leapfrog_steps"),
        (dict(batch_size=101, sampler="sgld"), "batch_size is 101"),
    ],
)
def test_a_setting_that_is_not_legal_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        llc.estimate_function(quadratic, np.zeros(3), num_samples=100, record=None, progress=False, **settings)


def test_a_loss_that_is_not_finite_at_the_centre_is_refused_and_one_that_becomes_so_diverges():
    with pytest.raises(ValueError, match="the loss is nan at w_star"):
        llc.estimate_function(lambda w, i: (math.nan, w), np.zeros(3), num_samples=100, **QUICK)
    cliff = lambda w, i: (math.inf if w @ w > 1e-3 else 0.5 * w @ w, w)
    est = llc.estimate_function(cliff, np.zeros(3), num_samples=100, sampler="sgld", gradient="exact", epsilon=1e-2, gamma=1, **QUICK)
    assert est.status == "FAILED" and est.reasons == ["diverged"] and math.isnan(est.llc)


def test_exact_coefficients_are_those_of_the_theorem():
    known = llc.theory.dln([10, 20, 20, 10], 5)
    assert (known["lambda_true"], known["multiplicity"], known["d"]) == (50.0, 1, 800)
    with pytest.raises(ValueError, match="rank"):
        llc.theory.dln([10, 4, 10], 5)


def test_words_of_the_command_line_become_those_of_python():
    from llc._text import as_python

    assert as_python("--num-steps (sampler.num_steps) is 3: try --num-steps 500") == "num_steps is 3: try num_steps=500"


def test_a_model_without_pytorch_is_answered_with_what_to_install():
    try:
        import torch  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match="pip install torch"):
            llc.estimate(None, None, None)


def test_a_deep_linear_network_has_the_gradient_of_its_loss_on_all_samples_and_on_some():
    from llc._dln import _DeepLinear

    network = _DeepLinear([4, 6, 3, 5], 2, 50, seed=1)
    w = network.w_star + 0.3 * np.random.default_rng(2).standard_normal(network.w_star.size)
    everything, _ = network(w, None)
    assert everything == pytest.approx(network(w, np.arange(50))[0], rel=1e-12), "the factor is that of all samples"
    assert network(network.w_star, None)[0] < 1e-20
    for indices in (None, np.array([3, 41, 0])):
        _, grad = network(w, indices)
        for i in range(0, w.size, 5):
            shift = np.zeros_like(w)
            shift[i] = 1e-5
            difference = (network(w + shift, indices)[0] - network(w - shift, indices)[0]) / 2e-5
            assert difference == pytest.approx(grad[i], rel=1e-6, abs=1e-7)


@pytest.mark.law
def test_hmc_finds_the_exact_coefficient_of_a_deep_linear_network():
    est = llc.dln([4, 5, 4], 2, num_samples=20_000, num_steps=1500, seed=1, **QUICK)
    assert est.lambda_true == llc.theory.dln([4, 5, 4], 2)["lambda_true"]
    # At a finite nβ the mean lies a little beside λ.
    assert abs(est.llc - est.lambda_true) < 5 * est.mcse + 0.03 * est.lambda_true
    assert any("exact coefficient" in note for note in est.notes)
