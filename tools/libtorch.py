"""Brings libtorch into the user's cache and links `.libtorch` of this checkout to it.

It comes from the `torch` wheel. The Linux wheels are CUDA builds of 3 GB with all that they need; a build for the
processor alone needs a sixth of that: `libtorch_cpu.so`, what it is linked to, and the headers. Files keep the places that
they have in the wheels, because the libraries find each other by relative run paths.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from common import ROOT, Problem, cache_dir, locked, pip_command, pip_environment, point, say, scratch
from wheels import TORCH_VERSION, WHEELS, platform_tags

LINK = ROOT / ".libtorch"
# Written last into a tree: which files it must have, with their sizes.
MANIFEST = "complete.json"

HEADERS = re.compile(r"torch/include/")
TORCH_LIBRARIES = re.compile(r"torch/lib/[^/]+\.(so|dylib)[^/]*$")
NVIDIA_LIBRARIES = re.compile(r"nvidia/.*/lib/[^/]+\.so[^/]*$")
# In torch/lib, but of no use to a program without Python.
PYTHON_ONLY = re.compile(r"torch/lib/lib(torch_python|torch_global_deps|shm)\.")
CUDA_ONLY = re.compile(r"torch/lib/lib(torch\.so|torch_cuda|c10_cuda|caffe2_nvrtc|torch_nvshmem)")
# All of CUDA that libtorch_cpu.so itself is linked to.
CUDA_OF_CPU = re.compile(r"nvidia/.*/lib/lib(cudart|cupti)\.so[^/]*$")

OWN_LIBTORCH = (f"set LIBTORCH to the folder of a libtorch {TORCH_VERSION}, or set LIBTORCH_USE_PYTORCH=1 where python3 "
                f"has torch {TORCH_VERSION}")


def chosen_by_user():
    """The variable by which the user has chosen a libtorch, or None."""
    return next((name for name in ("LIBTORCH_USE_PYTORCH", "LIBTORCH") if name in os.environ), None)


def check_chosen():
    """Reports a LIBTORCH that is none, rather than leave that to the C++ compiler."""
    if "LIBTORCH_USE_PYTORCH" in os.environ:
        return
    path = Path(os.environ["LIBTORCH"])
    if not (path / "include").is_dir() and "LIBTORCH_INCLUDE" not in os.environ:
        raise Problem(f"LIBTORCH is {path}, which has no folder 'include'. Correct it, or unset it and run ./x setup.")


def ensure():
    """Sets up unless there is a libtorch already: the user's, or one linked earlier (either variant)."""
    if chosen_by_user():
        check_chosen()
    elif not is_linked():
        set_up("cpu")


def set_up(variant, force=False):
    """Makes `.libtorch` lead to a whole libtorch of this variant ("cpu" or "cuda")."""
    wheels = WHEELS.get(platform_name(), {}).get(variant)
    if wheels is None:
        raise Problem(f"there is no libtorch {TORCH_VERSION} ({variant}) to fetch for {platform_name()}: {OWN_LIBTORCH}.")
    cache = cache_dir()
    tree = cache / f"libtorch-{TORCH_VERSION}-{variant}"
    with locked(cache):
        if force or not is_whole(tree):
            bring(wheels, variant, cache, tree)
        link_to(tree)
    say(f"libtorch {TORCH_VERSION} ({variant}) is ready: .libtorch -> {tree}")


def platform_name():
    """Such as "linux-x86_64"; a Linux without a recent glibc is named as such, since no wheel fits it."""
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    system = {"Darwin": "macos"}.get(platform.system(), platform.system().lower())
    if system == "linux":
        name, version = platform.libc_ver()
        if name != "glibc":
            return f"linux-{machine} without glibc"
        if tuple(int(part) for part in version.split(".")[:2]) < (2, 28):
            return f"linux-{machine} with glibc {version} (2.28 is needed)"
    return f"{system}-{machine}"


def is_whole(tree):
    try:
        sizes = json.loads((tree / MANIFEST).read_text())
        return all((tree / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False


def is_linked():
    try:
        version = (LINK / "build-version").read_text().strip()
    except OSError:
        return False
    tree = (LINK / "lib").resolve().parent.parent
    # A folder that the user has made by hand has no manifest: it is taken as it is.
    return version == TORCH_VERSION and (is_whole(tree) or not (tree / MANIFEST).exists() and has_libraries(LINK))


def has_libraries(folder):
    return any((folder / "lib").glob("libtorch_cpu.*"))


def link_to(tree):
    """Fills `.libtorch`. Its build-version, a file and no link, is what build.rs watches to relink after a change."""
    if LINK.is_symlink():
        LINK.unlink()
    wanted = {name: str(tree / "torch" / name) for name in ("include", "lib")}
    if any((LINK / name).exists() and not (LINK / name).is_symlink() for name in wanted):
        raise Problem(f"{LINK} holds files that ./x did not put there. Move it away, or keep it and just use ./x run.")
    version = LINK / "build-version"
    if version.exists() and all((LINK / name).resolve() == Path(path).resolve() for name, path in wanted.items()):
        return
    LINK.mkdir(exist_ok=True)
    version.unlink(missing_ok=True)
    for name, path in wanted.items():
        point(LINK / name, path)
    version.write_text(f"{TORCH_VERSION}\n")


def bring(wheels, variant, cache, tree):
    """Fetches and unpacks beside `tree`, then renames: a tree of that name is never half written."""
    pip = pip_command()
    check_room(wheels, variant, cache)
    with scratch(cache) as folder:
        files = [fetch(wheel, pip, cache, folder) for wheel in wheels]
        fresh = folder / "tree"
        say("Unpacking")
        for file in files:
            unpack(file, fresh, variant)
        finish(fresh, variant)
        if tree.exists():
            tree.rename(folder / "old")
        try:
            fresh.rename(tree)
        except OSError:
            # Without locks another run may have been faster.
            if not is_whole(tree):
                raise
    shutil.rmtree(cache / "downloads", ignore_errors=True)


def check_room(wheels, variant, cache):
    # The wheels, the one that pip is at work on once more, and what comes out of them.
    needed = 3 * sum(wheel.size_bytes for wheel in wheels)
    free = shutil.disk_usage(cache).free
    if free < needed:
        raise Problem(f"the set-up needs {needed / 1e9:.1f} GB in {cache} while it works, and {free / 1e9:.1f} GB are "
                      f"free. Make room, or set LLC_CACHE to a folder on another disk.")
    total = sum(wheel.size_bytes for wheel in wheels)
    say(f"Fetching libtorch {TORCH_VERSION} ({variant}) into {cache}: {total / 1e6:,.0f} MB, once for all checkouts.")


def fetch(wheel, pip, cache, folder):
    """The wheel's path, its hash checked. Whole wheels outlive an interruption, so that no fetch is repeated."""
    kept = cache / "downloads" / f"{wheel.sha256}.whl"
    if kept.exists():
        if sha256(kept) == wheel.sha256:
            say(f"{wheel.name} {wheel.version}: fetched earlier")
            return kept
        say(f"{wheel.name} {wheel.version}: the file fetched earlier is damaged, fetching it again")
        kept.unlink()
    say(f"{wheel.name} {wheel.version}: {wheel.size_bytes / 1e6:,.0f} MB")
    into = folder / wheel.name
    into.mkdir()
    # The wheel is named by platform and Python version, so that the Python that runs this need not fit it.
    target = [argument for tag in platform_tags(platform_name()) for argument in ("--platform", tag)]
    command = [*pip, "download", "--no-deps", "--no-cache-dir", "--only-binary=:all:", "--implementation=cp",
               "--python-version=3.11", *target, f"--dest={into}", f"{wheel.name}=={wheel.version}"]
    # pip may have a message of its own for stdout, where only the program's output belongs.
    status = subprocess.run(command, env=pip_environment(folder), stdout=sys.stderr).returncode
    fetched = sorted(into.glob("*.whl"))
    if status != 0 or len(fetched) != 1:
        raise Problem(f"pip could not fetch {wheel.name} {wheel.version} (its own message is above). Is the network up? "
                      "Behind a proxy set HTTPS_PROXY; with a package index of your own set PIP_INDEX_URL. Then repeat: "
                      f"what is whole is kept. Without a network copy {cache} from a machine that has it, or "
                      f"{OWN_LIBTORCH}.")
    found = sha256(fetched[0])
    if found != wheel.sha256:
        raise Problem(f"{fetched[0].name} is not the file it should be (SHA-256 {found}, not {wheel.sha256}), and was "
                      "thrown away. Repeat; if it stays so, a proxy or package index between here and there alters it.")
    kept.parent.mkdir(exist_ok=True)
    os.replace(fetched[0], kept)
    return kept


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def is_wanted(name, variant):
    if HEADERS.match(name):
        return True
    if variant == "cuda":
        return bool(NVIDIA_LIBRARIES.match(name) or TORCH_LIBRARIES.match(name) and not PYTHON_ONLY.match(name))
    torch = TORCH_LIBRARIES.match(name) and not PYTHON_ONLY.match(name) and not CUDA_ONLY.match(name)
    return bool(torch or CUDA_OF_CPU.match(name))


def unpack(wheel, tree, variant):
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if not member.is_dir() and is_wanted(member.filename, variant):
                archive.extract(member, tree)


def finish(tree, variant):
    """Adds the few files that no wheel has, checks that the libraries are there, and writes the manifest."""
    lib = tree / "torch" / "lib"
    if not has_libraries(lib.parent):
        raise Problem("the torch wheel holds no libtorch_cpu: tools/libtorch.py does not know its layout.")
    if platform.system() == "Linux":
        if variant == "cpu":
            # torch-sys asks for -ltorch. The wheel's would pull in CUDA; to the linker this text is as good as a library.
            (lib / "libtorch.so").write_text("INPUT(-ltorch_cpu)\n")
        # And for -lgomp, which gcc has and clang alone has not.
        (lib / "libgomp.so").symlink_to("libgomp.so.1")
    (tree / "torch" / "build-version").write_text(f"{TORCH_VERSION}\n")
    files = [path for path in tree.rglob("*") if path.is_file() and "include" not in path.relative_to(tree).parts]
    files.append(tree / "torch/include/torch/csrc/api/include/torch/torch.h")
    for path in files:
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    sizes = {str(path.relative_to(tree)): path.stat().st_size for path in files}
    (tree / MANIFEST).write_text(json.dumps(sizes, indent=1, sort_keys=True) + "\n")
