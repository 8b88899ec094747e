"""Does the work of `./x`: sets up what is missing, then calls cargo.

Everything is built with the release profile, so that the C++ part of tch (two minutes) is compiled once.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import libtorch
import python_package
import test_venv
from common import ROOT, Problem, require_toolchain, say, succeeds

HELP = """\
Usage: ./x COMMAND [ARGUMENTS]

  run ARGS…          build llc if needed and run it: ./x run dln --layer-widths 20,20,10 --seed 1
  test [TIER] …      test: fast (default), slow, gpu, or all; the rest goes to `cargo test`
  bench [CASE…] [--rounds N]
                     what a step costs against the bare forward and backward pass: small, medium, large, chains, update,
                     observe, whole (default: all)
  bench network      an SGLD step on ResNet18 against its forward and backward pass
  bench parts [FILTER]
                     the parts of a step one by one
  doc …              build the documentation; the rest goes to `cargo doc` (--open)
  lint               check the format and the lints
  install [--root DIR]
                     install llc, gen-commands and llc-analysis into DIR/bin (default: cargo's own)
  wheel              build the Python package as dist/*.whl, with gen-commands and llc-analysis; needs no libtorch
  setup [--cuda] [--force]
                     only fetch libtorch; --cuda the build for NVIDIA GPUs; --force once more
  help               this text

Each command sets up what is missing. Afterwards plain `cargo build`, `cargo run` and `cargo test` work too.
Variables: LLC_CACHE, where libtorch is kept for all checkouts (default ~/.cache/llc); LIBTORCH, the folder of a
libtorch 2.11.0 of your own; LIBTORCH_USE_PYTORCH=1, the torch 2.11.0 of your python3. With one of the latter two
nothing is fetched.
"""

PROGRAMS = ("llc", "gen-commands", "llc-analysis")
ANSI_CODE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


def main(arguments):
    for name in ("LIBTORCH", "LIBTORCH_USE_PYTORCH"):
        if os.environ.get(name) == "":  # To torch-sys it would count as set.
            del os.environ[name]
    if "LIBTORCH" in os.environ:  # Build scripts run in folders of their own.
        os.environ["LIBTORCH"] = os.path.abspath(os.environ["LIBTORCH"])
    command, rest = (arguments[0], arguments[1:]) if arguments else ("help", [])
    if command in ("help", "--help", "-h"):
        print(HELP, end="")
        return
    if command not in COMMANDS:
        raise Usage(f"no command '{command}'")
    COMMANDS[command](rest)


class Usage(Problem):
    """A command line that `x` doesn't understand."""


def setup(arguments):
    unknown = [argument for argument in arguments if argument not in ("--cuda", "--force")]
    if unknown:
        raise Usage(f"setup doesn't know '{unknown[0]}'")
    chosen = libtorch.chosen_by_user()
    if chosen:
        libtorch.check_chosen()
        say(f"{chosen}={os.environ[chosen]} is set: that libtorch is used, and nothing is fetched.")
        return
    require_toolchain()
    check_rust_version()
    libtorch.set_up("cuda" if "--cuda" in arguments else "cpu", force="--force" in arguments)


def run(arguments):
    prepare()
    program = build("llc")
    os.execv(program, [program, *arguments])


def test(arguments):
    named = arguments and not arguments[0].startswith("-")
    tier, rest = (arguments[0], arguments[1:]) if named else ("fast", arguments)
    if tier not in ("fast", "slow", "gpu", "all"):
        raise Usage(f"no tier '{tier}' of tests: fast, slow, gpu or all")
    prepare()
    if tier in ("fast", "all"):
        if not any(argument.startswith("-") for argument in rest):
            # Alone: within the whole it is built for libtorch's errors.
            cargo("test", "--release", "--package", "llc-core", *rest)
        run_tests(rest)
        if not rest:
            python_package.test_fast()
    if tier in ("slow", "all"):
        python = test_venv.ensure()
        if python:
            os.environ["LLC_TEST_PYTHON"] = str(python)
        run_tests(rest, "--ignored", "slow::")
        if not rest:
            python_package.test_slow()
    if tier == "gpu" or tier == "all" and has_gpu():
        run_tests(rest, "--ignored", "gpu::")
    elif tier == "all":
        say("No NVIDIA GPU here: its tests were left out.")


def wheel(arguments):
    if arguments:
        raise Usage(f"wheel takes no '{arguments[0]}'")
    require_toolchain()
    print(python_package.build_wheel(ROOT / "dist", with_programs=True).relative_to(ROOT))


def run_tests(arguments, *selection):
    """What the user gave after `--` is for the tests' own command line, as our selection is."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    cargo("test", "--release", *arguments[:cut], "--", *selection, *arguments[cut + 1:])


def bench(arguments):
    prepare()
    has_own = arguments[:1] in (["parts"], ["network"])
    name, rest = (arguments[0], arguments[1:]) if has_own else ("step", arguments)
    cargo("bench", "--bench", name, "--", *rest)


def doc(arguments):
    prepare()
    cargo("doc", "--release", "--no-deps", "--workspace", *arguments)


def lint(arguments):
    if arguments:
        raise Usage(f"lint takes no '{arguments[0]}'")
    prepare()
    for component in ("fmt", "clippy"):
        if not succeeds("cargo", component, "--version"):
            raise Problem(f"cargo {component} is missing. Install it with: rustup component add rustfmt clippy")
    # A macro declares the samplers' modules, where rustfmt does not find them by itself.
    cargo("fmt", "--check", "--package", "llc-core", "--", *(str(path) for path in sorted((ROOT / "crates" / "core" / "src" / "kernel").glob("*.rs"))))
    cargo("clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings")


def install(arguments):
    root = install_root(arguments)
    prepare()
    cargo("install", "--path", ".", "--locked", "--force", "--root", str(root))
    found = shutil.which("llc")
    if found is None:
        say(f"To call the programs from anywhere, add {root / 'bin'} to your PATH.")
    elif Path(found).resolve() != (root / "bin" / "llc").resolve():
        say(f"Another llc comes first on your PATH: {found} (LLVM has a program of that name). Put {root / 'bin'} "
            f"before it, or call {root / 'bin' / 'llc'}.")


def install_root(arguments):
    if not arguments:
        cargo_home = os.environ.get("CARGO_HOME") or os.path.join(os.path.expanduser("~"), ".cargo")
        return Path(os.environ.get("CARGO_INSTALL_ROOT") or cargo_home)
    if len(arguments) == 1 and arguments[0].startswith("--root="):
        return Path(os.path.abspath(arguments[0][len("--root="):]))
    if len(arguments) == 2 and arguments[0] == "--root":
        return Path(os.path.abspath(arguments[1]))
    raise Usage("install takes --root DIR and nothing else")


COMMANDS = {"run": run, "test": test, "bench": bench, "doc": doc, "lint": lint, "install": install, "setup": setup,
            "wheel": wheel}


def prepare():
    """Leaves the machine ready for cargo."""
    require_toolchain()
    libtorch.ensure()


def check_rust_version():
    """An old cargo doesn't understand Cargo.toml, and its message doesn't say that it is old."""
    needed = re.search(r'^rust-version = "(\d+)\.(\d+)', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    version = subprocess.run(["cargo", "--version"], stdout=subprocess.PIPE, check=False).stdout.decode()
    found = re.search(r"(\d+)\.(\d+)", version)
    if needed and found and tuple(map(int, found.groups())) < tuple(map(int, needed.groups())):
        raise Problem(f"llc needs Rust {'.'.join(needed.groups())}, and this is {'.'.join(found.groups())}. Update with "
                      "'rustup update', or install Rust from https://rustup.rs.")


def has_gpu():
    return succeeds("nvidia-smi", "-L")


def cargo(*arguments):
    """Runs cargo to its end; its exit status becomes ours if it fails."""
    status = subprocess.run(["cargo", *arguments], cwd=ROOT).returncode
    if status != 0:
        sys.exit(status if status > 0 else 128 - status)


def build(program):
    """Builds a program and returns its path. Cargo is heard only if it has something to build.

    `cargo run` would look for .cargo/config.toml in the user's folder, and either hide its progress or end with a
    line of its own each time.
    """
    environment = dict(os.environ)
    if sys.stderr.isatty():  # Cargo itself sees a pipe.
        environment.setdefault("CARGO_TERM_COLOR", "always")
        environment.setdefault("CARGO_TERM_PROGRESS_WHEN", "always")
        environment.setdefault("CARGO_TERM_PROGRESS_WIDTH", str(shutil.get_terminal_size().columns))
    command = ["cargo", "build", "--release", "--bin", program, "--message-format=json-render-diagnostics"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as cargo_process:
        relay = threading.Thread(target=pass_on, args=(cargo_process.stderr,))
        relay.start()
        messages = [json.loads(line) for line in cargo_process.stdout if line.startswith(b"{")]
        relay.join()
    if cargo_process.returncode != 0:
        sys.exit(cargo_process.returncode)
    return next(message["executable"] for message in messages
                if message.get("executable") and message["target"]["name"] == program)


def pass_on(stream):
    """Copies cargo's messages to stderr as they come, without the last: "Finished … in 0.05s"."""
    pending = b""
    while True:
        chunk = stream.read1(1 << 16)
        *whole, pending = re.split(rb"(?<=[\r\n])", pending + chunk)
        for line in whole if chunk else [*whole, pending]:
            if not ANSI_CODE.sub(b"", line).strip().startswith(b"Finished"):
                sys.stderr.buffer.write(line)
            elif b"\x1b[K" in line:
                sys.stderr.buffer.write(b"\r\x1b[K")
        sys.stderr.buffer.flush()
        if not chunk:
            return


def interrupt(*_):
    raise KeyboardInterrupt


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        main(sys.argv[1:])
    except Usage as problem:
        print(f"x: {problem}\n\n{HELP}", end="", file=sys.stderr)
        sys.exit(2)
    except Problem as problem:
        sys.exit(f"x: {problem}")
    except KeyboardInterrupt:
        say("\nx: interrupted. Repeat the same command to go on.")
        sys.exit(130)
