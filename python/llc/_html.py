"""Shows an estimate in a notebook."""

from __future__ import annotations

import html
import math

COLOURS = {"trusted": "#2e7d32", "trusted_at_scale": "#2e7d32", "local_plateau": "#b26a00", "not_trusted": "#b71c1c"}


def card(est) -> str:
    """λ̂ with its interval, the verdict and why, and what was sampled."""
    low, high = est.ci90
    found, diagnostics = est.report, est.diagnostics
    rows = [
        ("90 % interval", f"[{_short(low)}, {_short(high)}]"),
        ("chains", ", ".join(map(_short, est.per_chain))),
        ("scale", f"n = {found['n']}, nβ = {_short(est.n_beta)}, γ = {_short(est.gamma)}, radius {_short(diagnostics.get('radius'))}"),
        ("sampler", f"{found['sampler']}, {found['num_chains']} × {found['num_draws']} draws, the first {found['num_warmup']} warm-up"),
        ("diagnostics", f"R-hat {_short(diagnostics.get('rhat'))}, ESS bulk {_short(diagnostics.get('ess_bulk'))}"),
    ]
    if est.run_dir:
        rows.append(("record", est.run_dir))
    cells = "".join(
        f'<tr><td style="text-align:left;opacity:.7">{name}</td><td style="text-align:left">{html.escape(text)}</td></tr>' for name, text in rows
    )
    explained = "".join(f"<li>{html.escape(text)}</li>" for text in est.explanations + est.notes)
    badge = _badge(est)
    words = html.escape(", ".join(est.reasons))
    return (
        f'<div><div style="font-size:1.2em">λ̂ = <b>{_short(est.llc)}</b> ± {_short(est.mcse, 2)} &nbsp;{badge} {words}</div>'
        f'<table style="margin:.4em 0">{cells}</table>'
        + (f'<ul style="margin:0">{explained}</ul>' if explained else "")
        + "</div>"
    )


def table(columns: list[str], rows: list[list]) -> str:
    """A table with a row for each estimate, which stands in its last cell."""
    head = "".join(f'<th style="text-align:left">{html.escape(name)}</th>' for name in columns)
    body = ""
    for *numbers, est in rows:
        cells = "".join(f"<td>{_cell(number)}</td>" for number in numbers)
        words = html.escape(", ".join(est.reasons))
        body += f"<tr>{cells}<td>{_badge(est)} {words}</td></tr>"
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value) -> str:
    return f"[{_short(value[0])}, {_short(value[1])}]" if isinstance(value, tuple) else _short(value)


def _badge(est) -> str:
    colour = COLOURS.get(est.verdict, "#555")
    return f'<span style="background:{colour};color:white;border-radius:4px;padding:1px 8px">{html.escape(est.verdict)}</span>'


def _short(value, digits: int = 4) -> str:
    return "—" if value is None or not math.isfinite(value) else f"{value:.{digits}g}"
