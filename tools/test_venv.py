"""Makes the Python environment of the slow tests, once per user and content of tests/requirements.txt.

Run as a program it prints the path of the environment's Python, which the tests get as LLC_TEST_PYTHON.
"""

import sys

import virtual_environment
from common import ROOT, Problem, point

REQUIREMENTS = ROOT / "tests" / "requirements.txt"
LINK = ROOT / ".venv-test"


def ensure():
    """The path of the environment's Python, or None where the tests require nothing."""
    if not REQUIREMENTS.exists():
        return None
    home = virtual_environment.ensure("test-venv", REQUIREMENTS)
    point(LINK, home)
    return home / "bin" / "python"


if __name__ == "__main__":
    try:
        print(ensure() or "")
    except Problem as problem:
        sys.exit(f"test_venv: {problem}")
