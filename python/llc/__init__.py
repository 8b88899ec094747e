"""Local learning coefficients of PyTorch models, with an error bar and a verdict.

>>> import llc
>>> llc.theory.dln([10, 20, 20, 10], 5)["lambda_true"]
50.0
"""

from importlib.metadata import PackageNotFoundError, version

from . import theory
from ._estimate import Handle, curve, estimate, estimate_function, profile
from ._result import Curve, Estimate, Profile, load

try:
    __version__ = version("llc-estimator")
except PackageNotFoundError:  # Run from the source tree.
    __version__ = "0"

__all__ = ["Curve", "Estimate", "Handle", "Profile", "curve", "estimate", "estimate_function", "load", "profile", "theory"]
