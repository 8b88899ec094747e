"""λ̂ over the scale and over a training."""

import json
import os
import subprocess

import numpy as np
import pytest

import llc

PROGRAM = os.environ.get("LLC_PROGRAM")


def regular(w, indices):
    """L = w₁² + w₂², summed in the order of the program's potential."""
    return float(w[0] * w[0] + w[1] * w[1]), 2.0 * w


def quadratic(w, indices):
    return 0.5 * float(w @ w), w


def profile_function(function, w_star, **settings):
    from llc._estimate import _FunctionEvaluator, _settings, _start
    from llc._result import Profile

    facts = {"model": function.__name__, "loss": "function", "data": "function", "num_samples": settings.pop("num_samples", 1000)}
    given = {"sampler": "hmc", "threads": 1, **settings}
    evaluator = _FunctionEvaluator(function, w_star, facts["num_samples"])
    return _start(evaluator, [("experiment", "profile"), *_settings(facts, given)], Profile, (None, None, ()), False, True)


@pytest.mark.law
def test_the_rungs_of_a_quadratic_are_its_exact_curve():
    profile = profile_function(quadratic, np.zeros(4), n_beta=1000, rungs=4, half_width=0.1, num_steps=300, leapfrog_steps=5, **{"from": 1000, "to": 10})
    exact = 2 * 1000 / (1000 + profile.gamma)
    assert profile.is_certified.all() and len(profile.rungs) == 4
    assert (np.abs(profile.llc - exact) < 5 * profile.mcse).all()
    assert np.allclose(profile.gamma, np.geomspace(1000, 10, 4))
    assert "4 of 4 rungs certified" in str(profile) and "trusted" in profile._repr_html_()


@pytest.mark.skipif(not PROGRAM, reason="needs LLC_PROGRAM")
def test_a_ladder_is_climbed_as_by_the_program(tmp_path):
    settings = ["--sampler", "hmc", "--n-beta", "1000", "--from", "100", "--to", "10", "--rungs", "3", "--seed", "5", "--threads", "1",
                "--num-steps", "200", "--warmup", "0.25", "--num-chains", "4", "--leapfrog-steps", "5", "--half-width", "0.2", "--epsilon", "4e-4"]
    done = subprocess.run([PROGRAM, "profile", "--potential", "regular", *settings, "--json", "--quiet"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    of_program = json.loads(done.stdout.splitlines()[-1])
    of_python = profile_function(regular, np.zeros(2), n_beta=1000, epsilon=4e-4, rungs=3, seed=5, num_steps=200, warmup=0.25, leapfrog_steps=5, half_width=0.2, **{"from": 100, "to": 10})
    assert [rung["num_steps"] for rung in of_program["rungs"]] == [rung["num_steps"] for rung in of_python.report["rungs"]]
    assert [rung["llc"] for rung in of_program["rungs"]] == [rung["llc"] for rung in of_python.report["rungs"]], "bit for bit"


def test_a_setting_of_the_ladder_that_is_not_legal_is_named():
    with pytest.raises(ValueError, match="gamma.*the ladder varies it"):
        profile_function(quadratic, np.zeros(4), gamma=3)
    with pytest.raises(ValueError, match="did you mean `rungs`"):
        profile_function(quadratic, np.zeros(4), **{"profile.rungss": 3})
