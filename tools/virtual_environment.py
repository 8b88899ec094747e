"""Makes Python environments in the cache, once per user, Python and content of a requirements file."""

import hashlib
import importlib.util
import shutil
import subprocess
import sys

from common import Problem, cache_dir, install_hint, locked, pip_command, pip_environment, say, scratch


def ensure(name, requirements):
    """The folder of the environment `name` that has the packages of the file `requirements`."""
    key = hashlib.sha256(requirements.read_bytes() + sys.version.encode() + sys.executable.encode()).hexdigest()[:12]
    cache = cache_dir()
    home = cache / f"{name}-{key}"
    # An environment can't be moved, so it is made in place; this file is written when all of it is there.
    complete = home / "complete"
    if not complete.exists():
        with locked(cache):
            if not complete.exists():
                make(home, requirements, cache)
                complete.touch()
    return home


def make(home, requirements, cache):
    say(f"Making a Python environment in {home}")
    shutil.rmtree(home, ignore_errors=True)
    python = home / "bin" / "python"
    if importlib.util.find_spec("ensurepip"):
        create, pip = [sys.executable, "-m", "venv", home], [python, "-m", "pip"]
    else:  # Debian keeps it in a package of its own; a pip from outside (22.3 or newer) does as well.
        create, pip = [sys.executable, "-m", "venv", "--without-pip", home], [*pip_command(), "--python", python]
    run(create, "make a virtual environment")
    with scratch(cache) as folder:
        install = [*pip, "install", "--quiet", "--requirement", requirements]
        run(install, f"install the packages of {requirements}", env=pip_environment(folder))


def run(command, purpose, **options):
    if subprocess.run(command, stdout=sys.stderr, **options).returncode != 0:
        hint = install_hint("sudo apt install python3-venv", "sudo dnf install python3-pip", "brew install python")
        raise Problem(f"could not {purpose} (the message is above). If the network is up, a newer pip or the module venv "
                      f"may be missing. {hint}")
