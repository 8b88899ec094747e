"""Makes the Python environment of the slow tests, once per user and content of tests/requirements.txt.

Run as a program it prints the path of the environment's Python, which the tests get as LLC_TEST_PYTHON.
"""

import hashlib
import importlib.util
import shutil
import subprocess
import sys

from common import ROOT, Problem, cache_dir, install_hint, locked, pip_command, pip_environment, point, say, scratch

REQUIREMENTS = ROOT / "tests" / "requirements.txt"
LINK = ROOT / ".venv-test"


def ensure():
    """The path of the environment's Python, or None where the tests require nothing."""
    if not REQUIREMENTS.exists():
        return None
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode() + sys.executable.encode()).hexdigest()[:12]
    cache = cache_dir()
    home = cache / f"test-venv-{key}"
    # An environment can't be moved, so it is made in place; this file is written when all of it is there.
    complete = home / "complete"
    if not complete.exists():
        with locked(cache):
            if not complete.exists():
                make(home, cache)
                complete.touch()
    point(LINK, home)
    return home / "bin" / "python"


def make(home, cache):
    say(f"Making the tests' Python environment in {home}")
    shutil.rmtree(home, ignore_errors=True)
    python = home / "bin" / "python"
    if importlib.util.find_spec("ensurepip"):
        create, pip = [sys.executable, "-m", "venv", home], [python, "-m", "pip"]
    else:  # Debian keeps it in a package of its own; a pip from outside (22.3 or newer) does as well.
        create, pip = [sys.executable, "-m", "venv", "--without-pip", home], [*pip_command(), "--python", python]
    run(create, "make a virtual environment")
    with scratch(cache) as folder:
        install = [*pip, "install", "--quiet", "--requirement", REQUIREMENTS]
        run(install, f"install the packages of {REQUIREMENTS.name}", env=pip_environment(folder))


def run(command, purpose, **options):
    if subprocess.run(command, stdout=sys.stderr, **options).returncode != 0:
        hint = install_hint("sudo apt install python3-venv", "sudo dnf install python3-pip", "brew install python")
        raise Problem(f"could not {purpose} (the message is above). If the network is up, a newer pip or the module venv "
                      f"may be missing. {hint}")


if __name__ == "__main__":
    try:
        print(ensure() or "")
    except Problem as problem:
        sys.exit(f"test_venv: {problem}")
