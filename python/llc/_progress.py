"""Receives the events of a run: keeps its draws, and shows in a notebook how far it is."""

from __future__ import annotations

import threading
import time
import warnings

import numpy as np

# Seconds between two changes of what a notebook shows.
SHOW_EVERY_S = 0.5


class Draws:
    """What the chains recorded, warm-up included."""

    def __init__(self):
        self.num_chains = self.num_draws = self.num_warmup = 0
        self.n_beta = self.init_loss = float("nan")
        self._blocks: list[dict[str, list[np.ndarray]]] = []
        # Another thread may look while chains draw.
        self._lock = threading.Lock()

    def start(self, sizes: tuple[int, int, int], n_beta: float, init_loss: float) -> None:
        self.num_chains, self.num_draws, self.num_warmup = sizes
        self.n_beta, self.init_loss = n_beta, init_loss
        self._blocks = [{} for _ in range(self.num_chains)]

    def add(self, chain: int, columns: list[tuple[str, np.ndarray]]) -> None:
        with self._lock:
            for name, column in columns:
                self._blocks[chain].setdefault(name, []).append(column)

    def count(self, chain: int) -> int:
        """Draws of `chain` so far."""
        return sum(map(len, self._blocks[chain].get("loss", [])))

    def columns(self) -> dict[str, np.ndarray]:
        """Each column as `[num_chains, num_draws]`; NaN where a chain has not drawn."""
        with self._lock:
            names = list(dict.fromkeys(name for chain in self._blocks for name in chain))
            length = max((self.count(chain) for chain in range(len(self._blocks))), default=0)
            return {name: np.stack([self._padded(chain.get(name, []), length) for chain in self._blocks]) for name in names}

    @staticmethod
    def _padded(blocks: list[np.ndarray], length: int) -> np.ndarray:
        column = np.full(length, np.nan)
        values = np.concatenate(blocks) if blocks else np.empty(0)
        column[: len(values)] = values
        return column

    def llc(self) -> np.ndarray:
        """λ̂ of each chain so far `[num_chains]`; NaN where it is still in its warm-up."""
        loss = self.columns().get("loss", np.empty((len(self._blocks), 0)))[:, self.num_warmup :]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return self.n_beta * (np.nanmean(loss, axis=1) - self.init_loss) if loss.size else np.full(len(self._blocks), np.nan)


class Progress:
    """The methods that the extension module calls, on the thread that runs the estimate."""

    def __init__(self, show: bool):
        self.is_quiet = not show
        self.draws = Draws()
        self.warnings: list[str] = []
        self.error: BaseException | None = None
        self._notebook = _Notebook() if show and in_notebook() else None

    def started(self, sizes, n_beta, init_loss, num_parameters) -> None:
        self.draws.start(sizes, n_beta, init_loss)
        self._show("sampling")

    def stage(self, text: str) -> None:
        self._show(text)

    def line(self, text: str) -> None:
        pass

    def point(self, name: str, init_loss: float) -> None:
        self.draws.init_loss = init_loss

    def warning(self, text: str) -> None:
        self.warnings.append(text)
        warnings.warn(text, stacklevel=2)

    def ended(self, chain: int, num_draws: int, error: str | None) -> None:
        self._show("sampling")

    def failed(self, error: BaseException) -> None:
        self.error = error

    def drawn(self, chain: int, first_draw: int, columns: list[tuple[str, np.ndarray]]) -> None:
        self.draws.add(chain, columns)
        self._show("sampling")

    def _show(self, stage: str) -> None:
        if self._notebook is not None:
            self._notebook.show(stage, self.draws)

    def close(self) -> None:
        if self._notebook is not None:
            self._notebook.close()


class _Notebook:
    """One line under the cell that changes while the chains run."""

    def __init__(self):
        from IPython.display import display

        self._handle = display({"text/plain": ""}, raw=True, display_id=True)
        self._shown_at = 0.0
        self._began = time.monotonic()

    def show(self, stage: str, draws: Draws) -> None:
        now = time.monotonic()
        if now - self._shown_at < SHOW_EVERY_S:
            return
        self._shown_at = now
        total = draws.num_chains * draws.num_draws
        done = sum(draws.count(chain) for chain in range(draws.num_chains))
        text = stage
        if total and done:
            elapsed = now - self._began
            left = elapsed * (total - done) / done
            llc = draws.llc()
            so_far = f" · λ̂ so far {np.nanmean(llc):.4g}" if np.isfinite(llc).any() else " · warm-up"
            text = f"{stage}: {100 * done / total:.0f} % of {total} draws{so_far} · about {left:.0f} s left"
        self._update(text)

    def close(self) -> None:
        self._update("")

    def _update(self, text: str) -> None:
        html = f'<span style="font-family: monospace">{text}</span>'
        self._handle.update({"text/plain": text, "text/html": html}, raw=True)


def in_notebook() -> bool:
    """Whether a notebook shows what is displayed."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    shell = get_ipython()
    return shell is not None and hasattr(shell, "kernel")
