"""Exact learning coefficients."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from . import _llc


def dln(widths: Sequence[int], rank: int) -> dict[str, Any]:
    """λ of a deep linear network with the widths `[H_0, …, H_L]`, input first, whose true map has rank `rank`.

    What `llc theory dln --json` prints: `lambda_true`, the same as a fraction in `lambda_true_exact`, `multiplicity`, `rank_true`, `widths`
    and `d`. Raises ValueError for a rank above the smallest width.

    *Reference*: Aoyagi 2024, Theorem 1.

    >>> known = dln([10, 20, 20, 10], 5)
    >>> known["lambda_true_exact"], known["multiplicity"]
    ('50', 1)
    """
    return json.loads(_llc.theory_dln(list(widths), rank))
