"""The extension module, in Rust."""

from typing import Any

class Cancel:
    """Ends a run from another thread: its chains stop at their next draw."""

    def __init__(self) -> None: ...
    def set(self) -> None: ...
    def is_set(self) -> bool: ...

def estimate(
    evaluator: Any,
    settings: list[tuple[str, str]],
    storage: tuple[str | None, str | None, list[str]],
    progress: Any,
    cancel: Cancel,
) -> tuple[str, str]:
    """The report of a run as JSON, and the table that a terminal shows."""

def gamma_around(evaluator: Any, settings: list[tuple[str, str]]) -> float:
    """γ that the settings choose around the parameters of the evaluator."""

def render(report: str) -> str:
    """The table that a terminal shows of the report of an estimate, given as JSON."""

def theory_dln(widths: list[int], rank: int) -> str:
    """What `llc theory dln --json` prints."""
