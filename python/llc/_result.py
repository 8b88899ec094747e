"""What an estimate gives back: the numbers of report.json, the draws, pictures."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from ._text import as_python


class Estimate:
    """λ̂ with its error, its diagnostics and its verdict.

    Every number is one of `report`, the object that `llc estimate --json` prints.
    """

    def __init__(self, report: dict[str, Any], table: str, draws=None):
        #: All of `report.json`.
        self.report = report
        self._table, self._recorded = table, draws

    @property
    def llc(self) -> float:
        """λ̂ = nβ·(E[L] − L(w*)); NaN where there is none."""
        return _number(self.report["llc"]["mean"])

    @property
    def mcse(self) -> float:
        """The standard error of `llc`, from the effective draws of all chains."""
        return _number(self.report["llc"]["mcse"])

    @property
    def ci90(self) -> tuple[float, float]:
        """Ends of the 90 % interval of `llc`."""
        low, high = self.report["llc"]["ci90"]
        return _number(low), _number(high)

    @property
    def per_chain(self) -> list[float]:
        """λ̂ of each chain that did not diverge."""
        return [_number(llc) for llc in self.report["llc"]["per_chain"]]

    @property
    def verdict(self) -> str:
        """`trusted`, `trusted_at_scale`, `local_plateau` or `not_trusted`; docs/verdict.md says what each means."""
        return self.report["verdict"]

    @property
    def is_trusted(self) -> bool:
        """Whether `llc` is the expectation that it claims to be, at its scale at least."""
        return self.verdict in ("trusted", "trusted_at_scale")

    @property
    def reasons(self) -> list[str]:
        """What is against a better verdict, a word each."""
        return self.report["reasons"]

    @property
    def explanations(self) -> list[str]:
        """The reasons in sentences that say what to do."""
        return [as_python(text) for text in self.report["explanations"]]

    @property
    def notes(self) -> list[str]:
        """What a reader should know in any case."""
        return [as_python(text) for text in self.report["notes"]]

    @property
    def diagnostics(self) -> dict[str, Any]:
        """`rhat`, `ess_bulk`, `step_bias`, `radius` and others."""
        return self.report["diagnostics"]

    @property
    def n_beta(self) -> float:
        """nβ, which multiplies the mean loss."""
        return self.report["n_beta"]

    @property
    def gamma(self) -> float:
        """γ, the strength of the localisation: γ/2·‖w − w*‖² is added to the potential."""
        return self.report["gamma"]

    @property
    def epsilon(self) -> list[float]:
        """Step size of each chain."""
        return self.report["epsilon"]

    @property
    def init_loss(self) -> float:
        """L(w*), the mean over all samples."""
        return _number(self.report["init_loss"])

    @property
    def run_dir(self) -> str | None:
        """The folder of the record."""
        return self.report["run_dir"]

    @property
    def status(self) -> str:
        """`COMPLETED`, `INTERRUPTED` or `FAILED`."""
        return self.report["status"]

    def trace(self, name: str = "loss", *, warmup: bool = False) -> np.ndarray:
        """A recorded column `[num_chains, num_draws]`: `loss`, `distance`, `acceptance`, or one of the sampler's own.

        Without the warm-up unless it is asked for. NaN where a chain ended early.
        """
        column = self._columns()[name]
        return column if warmup else column[:, self.report["num_warmup"] :]

    @property
    def draws(self):
        """The draws as an `xarray.DataTree` in ArviZ's layout: groups `posterior` and `sample_stats`, and those of the warm-up."""
        import xarray as xr

        num_warmup = self.report["num_warmup"]
        groups = {"posterior": slice(num_warmup, None), "warmup_posterior": slice(0, num_warmup)}
        tree = {}
        for group, kept in groups.items():
            columns = {name: column[:, kept] for name, column in self._columns().items()}
            if not columns or next(iter(columns.values())).shape[1] == 0:
                continue
            num_chains, num_draws = next(iter(columns.values())).shape
            coords = {"chain": np.arange(num_chains), "draw": (kept.start or 0) + np.arange(num_draws)}
            dataset = lambda names: xr.Dataset({name: (("chain", "draw"), columns[name]) for name in names}, coords, self._attributes())
            states = [name for name in columns if name in ("loss", "distance")]
            tree[group] = dataset(states)
            tree[group.replace("posterior", "sample_stats")] = dataset([name for name in columns if name not in states])
        return xr.DataTree.from_dict(tree)

    def to_arviz(self):
        """The draws as ArviZ takes them: an `InferenceData` for ArviZ below 1, the `DataTree` itself from 1 on."""
        import arviz

        if not hasattr(arviz, "InferenceData"):
            return self.draws
        groups = {name: node.to_dataset() for name, node in self.draws.children.items()}
        return arviz.InferenceData(**groups)

    def plot(self):
        """Traces of λ̂ and its ranks, chain by chain, as a matplotlib figure."""
        from ._plot import plot_traces

        return plot_traces(self)

    def _columns(self) -> dict[str, np.ndarray]:
        if self._recorded is None:
            self._recorded = _recorded(self.run_dir)
        return self._recorded

    def _attributes(self) -> dict[str, Any]:
        found = self.report
        return {"inference_library": "llc", "init_loss": self.init_loss, "n_beta": self.n_beta, "gamma": self.gamma, "num_parameters": found["d"]}

    def __float__(self) -> float:
        return self.llc

    def __repr__(self) -> str:
        low, high = self.ci90
        words = ": ".join(filter(None, [self.verdict, ", ".join(self.reasons)]))
        return f"<Estimate λ̂ = {self.llc:.4g} ± {self.mcse:.2g} [{low:.4g}, {high:.4g}], {words}>"

    def __str__(self) -> str:
        return as_python(self._table).strip("\n")

    def _repr_html_(self) -> str:
        from ._html import card

        return card(self)


class _Points:
    """Several estimates in turn, as arrays."""

    points: list[Estimate]

    @property
    def llc(self) -> np.ndarray:
        """λ̂ `[num_points]`."""
        return np.array([point.llc for point in self.points])

    @property
    def mcse(self) -> np.ndarray:
        """Its standard error `[num_points]`."""
        return np.array([point.mcse for point in self.points])

    @property
    def ci90(self) -> np.ndarray:
        """Ends of the 90 % intervals `[num_points, 2]`."""
        return np.array([point.ci90 for point in self.points]).reshape(-1, 2)

    @property
    def gamma(self) -> np.ndarray:
        """γ `[num_points]`."""
        return np.array([point.gamma for point in self.points])

    @property
    def n_beta(self) -> np.ndarray:
        """nβ `[num_points]`."""
        return np.array([point.n_beta for point in self.points])

    @property
    def is_trusted(self) -> np.ndarray:
        """Whether each λ̂ is the expectation that it claims to be `[num_points]`."""
        return np.array([point.is_trusted for point in self.points], dtype=bool)

    @property
    def verdicts(self) -> list[str]:
        """The verdict of each point."""
        return [point.verdict for point in self.points]


class Profile(_Points):
    """λ̂ over a ladder of scales. Every number is one of `report`, the object that `llc profile --json` prints."""

    def __init__(self, report: dict[str, Any], table: str, _draws=None):
        #: All of `report.json`.
        self.report, self._table = report, table
        shared = {key: report[key] for key in ("experiment", "seed", "run_dir", "status", "sampler", "num_chains", "num_warmup", "d", "init_loss")}
        shared["n"] = report.get("n")
        #: An `Estimate` for each rung that was reached, from the largest γ (or nβ) to the smallest. They have no draws.
        self.points = self.rungs = [Estimate({**shared, **rung}, "") for rung in report["rungs"]]

    @property
    def radius(self) -> np.ndarray:
        """√E‖w − w*‖², the size of the region that a rung describes `[num_points]`."""
        return np.array([_number(rung.report["radius"]) for rung in self.rungs])

    @property
    def is_certified(self) -> np.ndarray:
        """Whether a rung has converged and nothing is against its λ̂ `[num_points]`."""
        return np.array([rung.report["is_certified"] for rung in self.rungs], dtype=bool)

    @property
    def stopped(self) -> str | None:
        """Why the ladder ended before its last rung."""
        return self.report["stopped"] and as_python(self.report["stopped"])

    @property
    def run_dir(self) -> str | None:
        """The folder of the record."""
        return self.report["run_dir"]

    @property
    def status(self) -> str:
        """`COMPLETED`, `INTERRUPTED` or `FAILED`."""
        return self.report["status"]

    def plot(self, ax=None, **style):
        """λ̂ over the radius of its region, hollow where a rung is not certified: on `ax`, or on a matplotlib figure of its own.

        `style` goes to matplotlib: `color`, `label`. Returns the figure.
        """
        from ._plot import plot_profile

        return plot_profile(self, ax, **style)

    def __repr__(self) -> str:
        return f"<Profile of {len(self.rungs)} rungs, {int(self.is_certified.sum())} certified>"

    def __str__(self) -> str:
        return as_python(self._table).strip("\n")

    def _repr_html_(self) -> str:
        from ._html import table

        columns = ["γ", "nβ", "λ̂", "± error", "90 % interval", "radius", "verdict"]
        return table(columns, [[r.gamma, r.n_beta, r.llc, r.mcse, r.ci90, r.report["radius"], r] for r in self.rungs])


class Curve(_Points):
    """λ̂ along a training, all points at one nβ and γ."""

    def __init__(self, steps: list[int], points: list[Estimate]):
        #: The steps of the points, as they were given.
        self.steps = steps
        #: An `Estimate` for each.
        self.points = points

    def plot(self, ax=None, **style):
        """λ̂ over the steps with its intervals, hollow where it is not trusted: on `ax`, or on a matplotlib figure of its own.

        `style` goes to matplotlib: `color`, `label`. Returns the figure.
        """
        from ._plot import plot_curve

        return plot_curve(self, ax, **style)

    def __repr__(self) -> str:
        return f"<Curve of {len(self.points)} points, {int(self.is_trusted.sum())} trusted>"

    def __str__(self) -> str:
        return "\n".join(f"step {step:>8}  {point!r}" for step, point in zip(self.steps, self.points))

    def _repr_html_(self) -> str:
        from ._html import table

        columns = ["step", "λ̂", "± error", "90 % interval", "verdict"]
        return table(columns, [[step, p.llc, p.mcse, p.ci90, p] for step, p in zip(self.steps, self.points)])


def load(run_dir: str | Path) -> Estimate | Profile:
    """The estimate or the profile that a record holds, whether Python, `llc estimate` or `llc profile` made it.

    Its draws are read when they are asked for.

    Raises FileNotFoundError where the folder has no finished estimate.
    """
    from ._llc import render

    path = Path(run_dir)
    report_path = path / "report.json"
    if not report_path.is_file():
        reason = "it has not ended: there is no report.json" if (path / "run.json").is_file() else "there is no run.json"
        raise FileNotFoundError(f"{path} holds no finished run: {reason}")
    text = report_path.read_text(encoding="utf-8")
    report = json.loads(text)
    report["run_dir"] = str(path)
    if "rungs" in report:
        return Profile(report, "")
    if "per_chain" not in report.get("llc", {}):
        raise ValueError(f"{path} is a run of `llc {report.get('experiment')}` with several points: read its report.json, or `llc-analysis`")
    return Estimate(report, render(json.dumps(report)))


def _recorded(run_dir: str | None) -> dict[str, np.ndarray]:
    if run_dir is None:
        raise ValueError("this estimate has no draws: it was not recorded")
    import xarray as xr

    tree = xr.open_datatree(Path(run_dir) / "draws.zarr", engine="zarr")
    columns: dict[str, list[np.ndarray]] = {}
    for group in ("posterior", "sample_stats"):
        for prefix in ("warmup_", ""):
            for name, column in tree.get(f"{prefix}{group}", {}).items():
                columns.setdefault(name, []).append(np.asarray(column))
    return {name: np.concatenate(parts, axis=1) for name, parts in columns.items()}


def _number(value: float | None) -> float:
    # A number that could not be computed is null in JSON.
    return math.nan if value is None else value
