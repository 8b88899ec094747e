"""Local learning coefficients of PyTorch models, with an error bar and a verdict.

>>> import llc
>>> llc.theory.dln([10, 20, 20, 10], 5)["lambda_true"]
50.0
"""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from . import theory
from ._dln import DeepLinearEstimate, dln
from ._estimate import Handle, curve, estimate, estimate_function, profile
from ._result import Curve, Estimate, Profile, load

if TYPE_CHECKING:
    from ._export import ExportedModule, export_module

try:
    __version__ = version("llc-estimator")
except PackageNotFoundError:  # Run from the source tree.
    __version__ = "0"


def __getattr__(name: str):
    # They need PyTorch, which the rest does without.
    if name in ("export_module", "ExportedModule"):
        from . import _export

        return getattr(_export, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Curve", "DeepLinearEstimate", "Estimate", "Handle", "Profile", "curve", "dln", "estimate", "estimate_function", "load", "profile", "theory"]
