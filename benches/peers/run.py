"""Times SGLD steps of devinterp and of a careful PyTorch loop against the bare pass: README.md says what and how.

The first call makes a Python environment with requirements.txt in the user's cache; each call goes on in it.
"""

import argparse
import json
import os
import platform
import statistics
import sys
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tools"))

import virtual_environment
from common import Problem

ENVIRONMENT = "peers-venv"
CASE_NAMES = ("small", "medium", "large")
# A measurement has at least as many steps, however long they take.
LEAST_STEPS = 3


def main():
    options = parse()
    enter_environment()
    import peers  # Needs what only the environment has.

    cases = [case for case in peers.CASES if case.name in options.cases]
    report = {**machine(), "rounds": options.rounds, "seconds": options.seconds, "batch_size": peers.BATCH_SIZE, "cases": []}
    print_row("case", "d", "threads", "", "ms a step", "range", "bare passes")
    for case in cases:
        result = measure(case, options, peers)
        print_case(result)
        report["cases"].append(result)
        if options.json:
            options.json.write_text(json.dumps(report, indent=2) + "\n")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--cases", type=case_names, default=",".join(CASE_NAMES), help="which cases, with commas")
    parser.add_argument("--rounds", type=positive(int), default=7, help="measurements of each")
    parser.add_argument("--seconds", type=positive(float), default=2.0, help="length of a measurement")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every round's figures to FILE")
    return parser.parse_args()


def case_names(text):
    names = text.split(",")
    unknown = [name for name in names if name not in CASE_NAMES]
    if unknown:
        raise argparse.ArgumentTypeError(f"no case '{unknown[0]}': {', '.join(CASE_NAMES)}")
    return names


def positive(number):
    def convert(text):
        value = number(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} is not positive")
        return value

    convert.__name__ = number.__name__
    return convert


def enter_environment():
    """Returns in the environment; elsewhere starts this program again in it."""
    if Path(sys.prefix).name.startswith(ENVIRONMENT):
        return
    python = virtual_environment.ensure(ENVIRONMENT, HERE / "requirements.txt") / "bin" / "python"
    os.execv(python, [python, __file__, *sys.argv[1:]])


def measure(case, options, peers):
    """The milliseconds of a step in every round. The bare pass comes before and after each round, so once more."""
    peers.torch.set_num_threads(case.threads)
    truth = peers.Truth(case.widths)
    bare, *others = [peer(truth) for peer in peers.PEERS]
    num_steps = {peer.name: affordable_steps(peer, options.seconds) for peer in (bare, *others)}
    ms_per_step = {name: [] for name in num_steps}

    def time(peer):
        ms_per_step[peer.name].append(1e3 * peer.seconds_per_step(num_steps[peer.name]))

    for _ in range(options.rounds):
        for peer in (bare, *others):
            time(peer)
    time(bare)
    return {
        "name": case.name,
        "widths": case.widths,
        "d": peers.num_parameters(case.widths),
        "threads": case.threads,
        "num_steps": num_steps,
        "ms_per_step": ms_per_step,
        "median_ms_per_step": {name: statistics.median(values) for name, values in ms_per_step.items()},
        "median_bare_passes": {peer.name: bare_passes(ms_per_step[peer.name], ms_per_step[bare.name]) for peer in others},
    }


def affordable_steps(peer, seconds):
    """How many steps fill a measurement."""
    peer.seconds_per_step(LEAST_STEPS)  # What happens only once would spoil the estimate.
    estimate_s = peer.seconds_per_step(LEAST_STEPS)
    if estimate_s * LEAST_STEPS < 0.1 * seconds:
        estimate_s = peer.seconds_per_step(int(0.1 * seconds / estimate_s))
    return max(LEAST_STEPS, round(seconds / estimate_s))


def bare_passes(values, bare):
    """The median over the rounds of a step's time in units of the bare passes before and after it."""
    return statistics.median(2 * value / (before + after) for value, before, after in zip(values, bare, bare[1:]))


def print_case(result):
    for name, values in result["ms_per_step"].items():
        ratio = result["median_bare_passes"].get(name, 1.0)
        span = f"{min(values):.3f} to {max(values):.3f}"
        print_row(result["name"], f"{result['d']:,}", result["threads"], name, f"{statistics.median(values):.3f}", span, f"{ratio:.2f}")


def print_row(case, d, threads, name, ms, span, ratio):
    print(f"{case:<8}{d:>12}{threads:>9}  {name:<18}{ms:>10}{span:>24}{ratio:>13}", flush=True)


def machine():
    import torch

    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in ("torch", "devinterp", "numpy")}},
        "platform": platform.platform(),
        "processor": processor(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
    }


def processor():
    """The processor's model where the system tells it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


if __name__ == "__main__":
    try:
        main()
    except Problem as problem:
        sys.exit(f"run: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)
