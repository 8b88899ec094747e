"""Builds the wheel of the Python package, and tests the package as it is installed from it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import virtual_environment
from common import ROOT, Problem, say

REQUIREMENTS = ROOT / "python" / "requirements"
TESTS = ROOT / "python" / "tests"
PROGRAMS = ("gen-commands", "llc-analysis")


def build_wheel(folder, *, with_programs):
    """The path of a new wheel in `folder`; `with_programs` it brings the programs that need no libtorch."""
    shutil.rmtree(folder, ignore_errors=True)
    home = virtual_environment.ensure("python-build", REQUIREMENTS / "build.txt")
    run([home / "bin" / "maturin", "build", "--release", "--quiet", "--interpreter", sys.executable, "--out", folder], "build the wheel")
    wheel = only(folder.glob("*.whl"))
    return add_programs(wheel, home / "bin" / "python") if with_programs else wheel


def add_programs(wheel, python):
    """Puts the programs where pip installs them on the PATH; maturin packs either an extension or programs."""
    run(["cargo", "build", "--release", "--locked", "--no-default-features", "--features", "mongo",
         *(word for program in PROGRAMS for word in ("--bin", program))], "build the programs")
    unpacked = wheel.parent / "unpacked"
    run([python, "-m", "wheel", "unpack", "--dest", unpacked, wheel], "unpack the wheel")
    tree = only(unpacked.iterdir())
    scripts = tree / f"{tree.name}.data" / "scripts"
    scripts.mkdir(parents=True)
    for program in PROGRAMS:
        shutil.copy2(ROOT / "target" / "release" / program, scripts / program)
    wheel.unlink()
    run([python, "-m", "wheel", "pack", "--dest-dir", wheel.parent, tree], "pack the wheel")
    shutil.rmtree(unpacked)
    return only(wheel.parent.glob("*.whl"))


def test(wheel, requirements, *selection):
    """Runs the package's tests in an environment with `requirements`, in which the wheel is installed anew."""
    home = virtual_environment.ensure(f"python-{Path(requirements).stem}", REQUIREMENTS / requirements)
    python = home / "bin" / "python"
    run([python, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", wheel], "install the wheel")
    # Elsewhere than in the source tree, whose package has no extension.
    environment = {**os.environ, "LLC_TORCH_IS_REQUIRED": "1" if "torch" in requirements else "0"}
    program = ROOT / "target" / "release" / "llc"
    if program.exists():
        environment["LLC_PROGRAM"] = str(program)
    command = [python, "-m", "pytest", "-q", "--import-mode=importlib", "-p", "no:cacheprovider", *selection]
    if subprocess.run(command, cwd=ROOT / "target", env=environment).returncode != 0:
        sys.exit(1)


def run(command, purpose):
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        raise Problem(f"could not {purpose} (the message is above)")


def only(paths):
    found = list(paths)
    if len(found) != 1:
        raise Problem(f"one file was expected, there are {len(found)}: {', '.join(map(str, found))}")
    return found[0]


def test_fast():
    say("Testing the Python package, without PyTorch")
    test(build_wheel(ROOT / "target" / "wheels", with_programs=False), "test.txt", TESTS)


def test_slow():
    wheel = build_wheel(ROOT / "target" / "wheels", with_programs=False)
    say("Testing the Python package with PyTorch")
    test(wheel, "torch.txt", "--doctest-modules", "--pyargs", "llc", TESTS)
    say("Testing the Python package with an old PyTorch")
    test(wheel, "old-torch.txt", "-m", "not law", TESTS)
