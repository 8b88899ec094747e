"""Estimates λ around a PyTorch model, or around a function of an array."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import threading
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import _llc
from ._buffers import Buffer
from ._progress import Progress
from ._result import Curve, Estimate, Profile
from ._text import as_python

# Settings whose key is not `sampler.NAME`.
_LADDER = ("along", "from", "to", "rungs", "ladder", "half_width", "time", "max_steps")
_ELSEWHERE = {"sampler": "sampler.kind", "threads": "run.threads", "params": "point.params", "seed": "seed", **{name: f"profile.{name}" for name in _LADDER}}


def estimate(
    model,
    data,
    loss,
    *,
    n_beta: float | None = None,
    gamma: float | str | None = None,
    sampler: str = "sgld",
    epsilon: float | str = "auto",
    num_chains: int = 4,
    num_steps: int | None = None,
    batch_size: int | None = None,
    params: str | Sequence[str] = "*",
    num_samples: int | None = None,
    seed: int = 0,
    device=None,
    record: str | Path | None = "runs",
    resume: str | Path | None = None,
    mongo: str | Sequence[str] = (),
    progress: bool = True,
    blocking: bool = True,
    **settings,
):
    """The local learning coefficient of `model` at its parameters w*, an `Estimate`.

    λ̂ = nβ·(E[L] − L(w*)), the expectation under exp(−nβ·L(w) − γ/2·‖w − w*‖²), where L is the mean loss over the data.

    Parameters
    ----------
    model
        A `torch.nn.Module`, trained. It is sampled in eval mode and is afterwards what it was before.
    data
        Tensors such as `(x, y)` with a row for each sample, a `Dataset`, a `DataLoader` (its dataset and `collate_fn`; minibatches are chosen
        here), or an iterable of batches. Dicts of tensors work as well.
    loss
        A function of `(model, batch)` that returns per-sample losses `[batch]` (best) or their mean; one of PyTorch's losses of
        `(outputs, targets)`; or a name: `"cross-entropy"`, `"mse"`, `"causal-lm"` (next token, of `input_ids`), `"own-function"` (cross-entropy towards the model's own outputs at w*,
        of which w* is a minimum even in the middle of a training), `"own-function-mse"`.
    n_beta
        nβ, which multiplies the mean loss. Default n/ln n.
    gamma
        γ, the strength of the localisation. Give a number to compare parts of a model: `"auto"` follows the part. Default `"auto"`: nβ times the largest curvature at w*, over 30 (docs/scale.md).
    sampler, epsilon, num_chains, num_steps, batch_size
        As the flags of `llc estimate`; `epsilon="auto"` searches the step size. `num_steps` counts all steps of a chain (default 2000). With
        fewer than four chains R-hat says little, and intervals are wide.
    params
        Names of the parameters to sample, `*` for any part of a name, as one text with commas or a list: the others stay, and λ̂ is a refined
        coefficient.
    num_samples
        The first so many samples; needed for an iterable without length.
    seed
        Seed of everything random: the same seed gives the same draws.
    device
        Where the model runs; default where it is. The chains themselves live in the host's memory.
    record, resume, mongo
        The folder of records, `None` for none. `resume` is the folder of a run that was interrupted, which is continued. `mongo` is
        `HOST:PORT:DATABASE` or a URL of a MongoDB, or several, to which the record is delivered as well.
    progress
        Whether to show how far it is.
    blocking
        With `False` a `Handle` comes back at once, and a copy of the model is sampled in the background.
    **settings
        Other settings of the sampler under their names in a configuration file, such as `warmup=0.5`, `thin=10`, `leapfrog_steps=20`,
        `extrapolate_step="off"`, `check_localisation="off"`; and `threads`.

    Raises
    ------
    ValueError, TypeError
        For settings, data or a loss that do not fit, by name.
    Exception
        Whatever the model or the loss raises; the draws until then are in the record.

    Ctrl-C ends the chains and gives the estimate from the draws until then.

    Examples
    --------
    >>> import torch, llc
    >>> _ = torch.manual_seed(0)
    >>> x = torch.randn(500, 4)
    >>> model = torch.nn.Linear(4, 1)
    >>> y = model(x).detach()
    >>> est = llc.estimate(model, (x, y), "mse", n_beta=1e4, gamma=1, num_steps=4000, record=None, progress=False)
    >>> est.verdict  # λ of a regular model is half its number of parameters, 2.5
    'trusted'
    >>> abs(est.llc - 2.5) < 5 * est.mcse
    True
    """
    given = dict(
        n_beta=n_beta, gamma=gamma, sampler=sampler, epsilon=epsilon, num_chains=num_chains, num_steps=num_steps, batch_size=batch_size,
        params=params, num_samples=num_samples, seed=seed, device=device,
    )
    evaluator, pairs = _around(model, data, loss, {**given, **settings}, blocking)
    return _start(evaluator, pairs, Estimate, (record, resume, mongo), progress, blocking)


def profile(
    model,
    data,
    loss,
    *,
    along: str = "gamma",
    start: float | None = None,
    stop: float | None = None,
    rungs: int = 9,
    ladder: Sequence[float] | None = None,
    half_width: float = 0.03,
    time_s: float | None = None,
    max_steps: int | None = None,
    record: str | Path | None = "runs",
    resume: str | Path | None = None,
    mongo: str | Sequence[str] = (),
    progress: bool = True,
    blocking: bool = True,
    **settings,
):
    """λ̂ over a ladder of scales, from a narrow region around w* to a wide one: a `Profile`.

    Each rung is sampled until half of its 90 % interval is below `half_width` of λ̂, from where the one before has ended.

    Parameters
    ----------
    along
        What falls from rung to rung: `"gamma"` or `"n-beta"`.
    start, stop, rungs
        The first and the last value, and how many there are, each the same multiple of the one before. By default the first follows from the
        largest curvature at w*, and the last is a thousandth of it.
    ladder
        All values, in place of these.
    time_s, max_steps
        The budget: seconds for the whole ladder, steps of a chain for each rung.

    The others are those of `estimate`. As there, Ctrl-C keeps the rungs that are done.
    """
    rungs_of = {"ladder": ",".join(map(str, ladder))} if ladder is not None else {"from": start, "to": stop, "rungs": rungs}
    time = None if time_s is None else f"{time_s}s"
    given = dict(along=along, half_width=half_width, max_steps=max_steps, time=time, **rungs_of)
    evaluator, pairs = _around(model, data, loss, {**given, **settings}, blocking)
    return _start(evaluator, [("experiment", "profile"), *pairs], Profile, (record, resume, mongo), progress, blocking)


def curve(
    checkpoints: Iterable[tuple[int, Any]],
    data,
    loss,
    *,
    model=None,
    gamma: float | str | None = None,
    record: str | Path | None = "runs",
    progress: bool = True,
    **settings,
):
    """λ̂ along a training, all points at one scale: a `Curve`.

    Parameters
    ----------
    checkpoints
        Pairs of a step and a model, or of a step and a state dict that `model` loads.
    model
        The model for state dicts; it is afterwards what it was before.
    gamma
        As in `estimate`; `"auto"` chooses it around the last checkpoint, for all of them.

    The others are those of `estimate`. The default losses of the middle of a training have no minimum at its parameters: take
    `"own-function"`, or read the verdicts. Each point has a record of its own. Ctrl-C keeps the points that are done.
    """
    pairs = list(checkpoints)
    if not pairs or not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in pairs):
        raise ValueError("checkpoints: pairs of a step and a state dict, or of a step and a model, are needed, at least one")
    for name in ("resume", "blocking"):
        if name in settings:
            raise TypeError(f"{name}: a curve does not take it; each point has a record of its own, which llc.estimate continues")
    if model is None and not all(callable(point) for _, point in pairs):
        raise ValueError("checkpoints: give model=, into which the state dicts are loaded")
    with _loading(model) as load:
        if gamma in (None, "auto"):
            evaluator, given = _around(load(pairs[-1][1]), data, loss, dict(settings), True)
            with _named_errors(), evaluator:
                gamma = _llc.gamma_around(evaluator, given)
        points, steps = [], []
        for step, point in pairs:
            est = estimate(load(point), data, loss, gamma=gamma, record=record, progress=progress, **settings)
            if est.status == "INTERRUPTED":
                break
            steps.append(step)
            points.append(est)
            if progress:
                print(f"step {step}: {est!r}")
    return Curve(steps, points)


@contextlib.contextmanager
def _loading(model):
    """A function that gives the model of a checkpoint; the model that loads state dicts is put back at the end."""
    before = None if model is None else copy.deepcopy(model.state_dict())

    def load(point):
        if callable(point):
            return point
        model.load_state_dict(point)
        return model

    try:
        yield load
    finally:
        if before is not None:
            model.load_state_dict(before)


def _around(model, data, loss, settings: dict[str, Any], blocking: bool):
    """The evaluator of a model, and the settings of a run as pairs of key and text; what is not in `settings` has its default."""
    try:
        import torch
    except ImportError as error:
        raise ImportError("a model needs PyTorch: pip install torch; for a function of an array there is llc.estimate_function") from error

    from ._data import samples_of
    from ._evaluator import Evaluator
    from ._loss import loss_of

    if not blocking:
        model = copy.deepcopy(model)
    chosen = {name: settings.pop(name, None) for name in ("device", "num_samples", "chunk_size", "params")}
    samples = samples_of(data, chosen["num_samples"])
    evaluator = Evaluator(model, samples, loss_of(loss), device=chosen["device"], chunk_size=chosen["chunk_size"])
    settings.setdefault("threads", torch.get_num_threads())
    params = chosen["params"] or "*"
    if not isinstance(params, str):
        params = ",".join(params)
    if params != "*":
        settings["params"] = _whole_tensors(params, model)
    facts = {"model": type(model).__name__, "loss": evaluator.loss_function.name, "data": samples.name, "num_samples": samples.num_samples}
    return evaluator, _settings(facts, settings)


def estimate_function(
    loss_and_grad: Callable[[np.ndarray, np.ndarray | None], tuple[float, np.ndarray]],
    w_star: np.ndarray,
    *,
    num_samples: int,
    n_beta: float | None = None,
    gamma: float | str | None = None,
    sampler: str = "hmc",
    epsilon: float | str = "auto",
    num_chains: int = 4,
    num_steps: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    record: str | Path | None = "runs",
    resume: str | Path | None = None,
    mongo: str | Sequence[str] = (),
    progress: bool = True,
    blocking: bool = True,
    **settings,
):
    """The local learning coefficient of a function of an array, an `Estimate`: without PyTorch.

    Parameters
    ----------
    loss_and_grad
        Called with `w`, an array `[d]` like `w_star`, and `indices`: an array of int64 that chooses samples, or `None` for all of them.
        Returns the mean loss over these samples and its gradient `[d]`. `w` belongs to the sampler: do not keep or change it.
    w_star
        The parameters, an array `[d]` of float32 or float64, in whose precision the chains run.
    num_samples
        n, of which n/ln n is the default nβ.

    The others are those of `estimate`.

    Examples
    --------
    >>> import numpy as np, llc
    >>> quadratic = lambda w, indices: (0.5 * w @ w, w)
    >>> est = llc.estimate_function(quadratic, np.zeros(6), num_samples=10_000, gamma=1, record=None, progress=False)
    >>> abs(est.llc - 3) < 5 * est.mcse + 0.01
    True
    """
    given = dict(n_beta=n_beta, gamma=gamma, epsilon=epsilon, num_steps=num_steps, batch_size=batch_size)
    run = dict(sampler=sampler, num_chains=num_chains, seed=seed, record=record, resume=resume, mongo=mongo, progress=progress, blocking=blocking)
    facts = {"model": getattr(loss_and_grad, "__name__", "function"), "loss": "function", "data": "function"}
    return _of_function(_FunctionEvaluator(loss_and_grad, w_star, num_samples), facts, Estimate, **given, **run, **settings)


def _of_function(
    evaluator, facts, result, *, sampler="hmc", epsilon="auto", num_chains=4, record="runs", resume=None, mongo=(), progress=True, blocking=True, **settings
):
    """Starts the estimate of a function of an array: `facts` are what the record says of it."""
    given = dict(sampler=sampler, epsilon=epsilon, num_chains=num_chains, **settings)
    given.setdefault("threads", 1)
    facts = {**facts, "num_samples": evaluator.num_samples}
    return _start(evaluator, _settings(facts, given), result, (record, resume, mongo), progress, blocking)


def _whole_tensors(params: str, model) -> str:
    """`params`, unless they ask for a part of a tensor, or for the second name of a tied one."""
    if "[" in params:
        raise ValueError(f"params: {params!r} asks for a part of a tensor; only whole tensors can be chosen")
    names = {name for name, _ in model.named_parameters()}
    first = {id(p): name for name, p in model.named_parameters()}
    for name, p in model.named_parameters(remove_duplicate=False):
        if name not in names and name in params.split(","):
            raise ValueError(f"params: {name} is tied to {first[id(p)]}: name that")
    return params


class _FunctionEvaluator:
    """What `Evaluator` is for a model, for a function of an array."""

    def __init__(self, function, w_star, num_samples: int):
        w_star = np.array(w_star)
        if w_star.dtype not in (np.float32, np.float64) or w_star.ndim != 1:
            raise TypeError(f"w_star: an array [d] of float32 or float64 is needed, not {w_star.dtype} {list(w_star.shape)}")
        self._function, self.num_samples, self.num_parameters = function, num_samples, w_star.size
        self.names, self.specs, self.notes = ["w"], [("w", [w_star.size])], []
        self.w_star = Buffer(np.ascontiguousarray(w_star), lambda array: array)
        self.centre_losses, self.init_loss, self.is_at_minimum = None, math.nan, False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def select(self, _sampled) -> None:
        self.init_loss = self.loss(self.w_star, None)
        if not math.isfinite(self.init_loss):
            raise ValueError(f"loss_and_grad: the loss is {self.init_loss} at w_star: λ̂ is about a loss that is finite there")

    def loss(self, w: Buffer, indices) -> float:
        loss, _ = self._function(w.array, indices)
        return float(loss)

    def loss_and_grad(self, w: Buffer, indices, grad: Buffer) -> float:
        loss, gradient = self._function(w.array, indices)
        grad.array[:] = gradient
        return float(loss)

    def use_threads(self, _num_threads: int) -> None:
        pass


class Handle:
    """An estimate that runs in the background."""

    def __init__(self, run: Callable[[], Estimate], progress: Progress, cancel):
        self._progress, self._cancel = progress, cancel
        self._result: Estimate | None = None
        self._error: BaseException | None = None

        def work():
            try:
                self._result = run()
            except BaseException as error:
                self._error = error

        self._thread = threading.Thread(target=work, name="llc", daemon=True)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        """Whether it has ended."""
        return not self._thread.is_alive()

    def wait(self, timeout_s: float | None = None) -> Estimate:
        """The estimate, once it is there. Raises TimeoutError after `timeout_s` seconds, and whatever the run raised."""
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise TimeoutError(f"the estimate has not ended within {timeout_s} s")
        if self._error is not None:
            raise self._error
        return self._result

    def inspect(self) -> dict[str, Any]:
        """What there is so far: `num_draws` and `llc` of each chain (NaN in its warm-up), and the recorded columns `[num_chains, num_draws]`."""
        draws = self._progress.draws
        return {
            "num_draws": [draws.count(chain) for chain in range(draws.num_chains)],
            "llc": draws.llc().tolist(),
            "columns": draws.columns(),
        }

    def abort(self) -> Estimate:
        """Ends the chains at their next draw, and gives the estimate from the draws until then."""
        self._cancel.set()
        return self.wait()

    def __repr__(self) -> str:
        return f"<Handle {'done' if self.is_done else 'running'}, draws {self.inspect()['num_draws']}>"


def _start(evaluator, settings, result, storage, progress, blocking):
    record, resume, mongo = storage
    if mongo and record is None and resume is None:
        raise ValueError("mongo: what is delivered is the record on disk: give record= as well")
    storage = (record and str(record), resume and str(resume), [mongo] if isinstance(mongo, str) else list(mongo))
    shown = Progress(progress)
    cancel = _llc.Cancel()

    def run():
        try:
            with _named_errors(), evaluator:
                report, table = _llc.estimate(evaluator, settings, storage, shown, cancel)
        finally:
            shown.close()
        if shown.error is not None:
            raise shown.error
        found = result(json.loads(report), table, shown.draws.columns())
        if found.status == "INTERRUPTED":
            how = f"; resume={found.run_dir!r} continues it" if found.run_dir else ""
            warnings.warn(f"interrupted: the result is from the draws until then{how}", stacklevel=3)
        return found

    return run() if blocking else Handle(run, shown, cancel)


@contextlib.contextmanager
def _named_errors():
    """What is wrong with a setting is said in the words of Python."""
    try:
        yield
    except ValueError as error:
        if type(error) is ValueError and error.args and isinstance(error.args[0], str):
            error.args = (as_python(error.args[0]), *error.args[1:])
        raise


def _settings(facts: dict[str, Any], settings: dict[str, Any]) -> list[tuple[str, str]]:
    """Pairs of key and text, as `--set` takes them."""
    pairs = [(f"python.{name}", str(fact)) for name, fact in facts.items()]
    for name, value in settings.items():
        if value is None:
            continue
        key = _ELSEWHERE.get(name, f"sampler.{name}")
        if isinstance(value, bool):
            value = "on" if value else "off"
        pairs.append((key, str(value)))
    return pairs
