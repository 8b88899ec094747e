"""Provides what every helper of `x` uses: messages, the cache, its lock, and the external programs."""

import contextlib
import fcntl
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Problem(Exception):
    """What went wrong and what to do about it, in words for the user."""


def say(text):
    """Tells the user what happens. On stderr: stdout belongs to the program that `x` runs."""
    print(text, file=sys.stderr, flush=True)


def install_hint(debian, fedora, macos):
    return f"Install it with\n  Debian, Ubuntu:  {debian}\n  Fedora:          {fedora}\n  macOS:           {macos}"


def cache_dir():
    """The folder that all checkouts of this user share: $LLC_CACHE, else $XDG_CACHE_HOME/llc, else ~/.cache/llc."""
    chosen = os.environ.get("LLC_CACHE")
    if chosen:
        path = Path(chosen)
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        path = Path(base) / "llc"
    path = Path(os.path.abspath(path))
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK):
            raise PermissionError("no write permission")
    except OSError as error:
        raise Problem(f"cannot use the cache folder {path}: {error}. Set LLC_CACHE to a folder of your own.") from error
    return path


@contextlib.contextmanager
def locked(cache):
    """Holds the cache's lock, then clears what interrupted runs have left there.

    Where the file system has no locks (some network homes) two runs work side by side: slower, but each builds in a
    scratch folder of its own and puts the result in place with one rename.
    """
    with open(cache / "lock", "w") as handle:
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"Another set-up is at work in {cache}: waiting for it.")
                fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            yield
            return
        for leftover in cache.glob("scratch-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield


@contextlib.contextmanager
def scratch(cache):
    """A folder in the cache, so on the same file system, that is gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="scratch-", dir=cache))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def point(link, target):
    """Makes `link` a symbolic link to `target`, in one step."""
    beside = link.with_name(f"{link.name}.{os.getpid()}")
    os.symlink(target, beside)
    os.replace(beside, link)


def succeeds(*command):
    """Whether a command can be run and reports success; nothing of it is seen."""
    with contextlib.suppress(OSError):
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    return False


def pip_command():
    """The pip of this Python, else one on the PATH (environments made by other tools have none of their own)."""
    for command in ([sys.executable, "-m", "pip"], ["pip3"], ["pip"]):
        if succeeds(*command, "--version"):
            return command
    hint = install_hint("sudo apt install python3-pip", "sudo dnf install python3-pip", "python3 -m ensurepip --user")
    raise Problem(f"pip is needed to fetch packages, and {sys.executable} has none. {hint}")


def pip_environment(scratch_folder):
    """Large temporary files go where there is room, not to /tmp; a user's settings for installing don't apply."""
    dropped = ("PIP_REQUIRE_VIRTUALENV", "PIP_USER", "PIP_TARGET", "PIP_PREFIX")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, "TMPDIR": str(scratch_folder), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def require_toolchain():
    """Checks for cargo and a C++ compiler before a build runs into their absence."""
    if shutil.which("cargo") is None:
        raise Problem("cargo is needed to build llc, and it is not on the PATH. Install Rust from https://rustup.rs,"
                      " then open a new shell.")
    hint = install_hint("sudo apt install build-essential", "sudo dnf install gcc gcc-c++", "xcode-select --install")
    compiler = os.environ.get("CXX", "").split() or ["c++"]
    for program, role in ((compiler[0], "C++ compiler"), ("cc", "linker driver")):
        if shutil.which(program) is None:
            raise Problem(f"a {role} is needed to build llc, and '{program}' is not on the PATH. {hint}")
    # There /usr/bin/c++ exists even without the tools, and opens a dialogue.
    if platform.system() == "Darwin" and not succeeds("xcode-select", "-p"):
        raise Problem(f"a C++ compiler is needed to build llc. {hint}")
