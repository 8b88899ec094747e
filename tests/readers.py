"""Opens a finished run as others would, by incense, ArviZ and NumPy, and prints what they see as one JSON object.

Usage: readers.py RUN_DIR
"""

import json
import math
import sys
import warnings
from pathlib import Path

# A reader that has to guess, because consolidated metadata are missing, say, warns: that is a failure here.
warnings.filterwarnings("error", message=".*[Cc]onsolidated.*")

import arviz
import numpy
import xarray
from incense import FileSystemExperimentLoader


def by_incense(run_dir: Path) -> dict:
    experiment = FileSystemExperimentLoader(run_dir.parent).find_by_id(int(run_dir.name))
    return {
        "status": experiment.status,
        "result": experiment.result,
        "seed": experiment.config.seed,
        "gamma": experiment.config.sampler.gamma,
        "name": experiment.experiment.name,
        "start_time": str(experiment.start_time),
        "artifacts": sorted(experiment.artifacts),
        "metrics": {
            name: {"steps": series.index.tolist(), "values": plain(series.to_numpy())}
            for name, series in experiment.metrics.items()
        },
    }


def by_arviz(draws: Path) -> dict:
    tree = xarray.open_datatree(draws, engine="zarr")
    data = arviz.InferenceData.from_datatree(tree)
    groups = {
        group: {
            "variables": {name: plain(data[group][name].values) for name in data[group].data_vars},
            "dims": {name: list(data[group][name].dims) for name in data[group].data_vars},
            "chain": data[group].chain.values.tolist(),
            "draw": data[group].draw.values.tolist(),
            "attributes": sorted(data[group].attrs),
        }
        for group in data.groups()
    }
    posterior = data["posterior"]
    summary = None
    if posterior.sizes["draw"] and not any(numpy.isnan(posterior[name]).any() for name in posterior.data_vars):
        summary = arviz.summary(data, round_to="none").loc["loss"].to_dict()
    return {"groups": groups, "summary": summary, "n_beta": posterior.attrs["n_beta"]}


def by_numpy(run_dir: Path) -> dict:
    shapes = {}
    for path in run_dir.glob("*.npz"):
        with numpy.load(path) as arrays:
            shapes[path.stem] = {name: list(arrays[name].shape) for name in arrays}
    return shapes


def plain(array) -> list:
    """Turns an array into nested lists, NaN into None."""
    array = numpy.asarray(array, dtype=float)
    if array.ndim > 1:
        return [plain(row) for row in array]
    return [None if math.isnan(number) else number for number in array.tolist()]


if __name__ == "__main__":
    run_dir = Path(sys.argv[1]).resolve()
    seen = {"incense": by_incense(run_dir), "arviz": by_arviz(run_dir / "draws.zarr"), "numpy": by_numpy(run_dir)}
    if (run_dir / "draws-trained.zarr").exists():
        seen["arviz_trained"] = by_arviz(run_dir / "draws-trained.zarr")
    print(json.dumps(seen))
