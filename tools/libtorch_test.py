"""Tests the set-up on wheels of a few bytes, without a network: `python3 -m unittest discover -s tools -p '*_test.py'`."""

import hashlib
import multiprocessing
import os
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))

import common
import libtorch
from wheels import Wheel

MEMBERS = {
    "torch": {
        "torch/include/torch/csrc/api/include/torch/torch.h": b"header",
        "torch/lib/libtorch_cpu.so": b"cpu",
        "torch/lib/libtorch_cuda.so": b"cuda",
        "torch/lib/libtorch.so": b"needs cuda",
        "torch/lib/libtorch_python.so": b"python",
        "torch/lib/libgomp.so.1": b"gomp",
        "torch/nn/__init__.py": b"",
    },
    "nvidia-cuda-runtime": {"nvidia/cu13/lib/libcudart.so.13": b"cudart", "nvidia/cu13/lib/libcudart_static.a": b""},
    "nvidia-cudnn-cu13": {"nvidia/cudnn/lib/libcudnn.so.9": b"cudnn"},
}


class SetUp(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.cache = self.folder / "cache"
        self.index = self.folder / "index"
        self.index.mkdir()
        self.wheels = [self.write_wheel(name) for name in ("nvidia-cuda-runtime", "nvidia-cudnn-cu13", "torch")]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "LIBTORCH"))}
        offline = {"LLC_CACHE": str(self.cache), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.index), "PIP_QUIET": "3"}
        cpu = [wheel for wheel in self.wheels if wheel.name != "nvidia-cudnn-cu13"]
        for patch in (
            mock.patch.dict(os.environ, {**kept, **offline}, clear=True),
            mock.patch.object(libtorch, "LINK", self.folder / "checkout" / ".libtorch"),
            mock.patch.object(libtorch, "WHEELS", {"linux-x86_64": {"cpu": cpu, "cuda": self.wheels}}),
            mock.patch.object(libtorch, "platform_name", lambda: "linux-x86_64"),
            mock.patch.object(libtorch, "say", lambda text: None),
            mock.patch.object(libtorch, "pip_command", lambda: [sys.executable, "-m", "pip"]),
        ):
            patch.start()
            self.addCleanup(patch.stop)
        libtorch.LINK.parent.mkdir()
        self.tree = self.cache / f"libtorch-{libtorch.TORCH_VERSION}-cpu"

    def write_wheel(self, name):
        python_name = name.replace("-", "_")
        path = self.index / f"{python_name}-1.0-py3-none-manylinux_2_17_x86_64.whl"
        about = f"{python_name}-1.0.dist-info"
        with zipfile.ZipFile(path, "w") as archive:
            for member, content in MEMBERS[name].items():
                archive.writestr(member, content)
            archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            wheel_tag = "Tag: py3-none-manylinux_2_17_x86_64\n"
            archive.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\n{wheel_tag}")
            archive.writestr(f"{about}/RECORD", "")
        return Wheel(name, "1.0", path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())

    def libraries(self):
        return {path.name for path in (libtorch.LINK / "lib").iterdir()}

    def test_the_cpu_build_holds_no_cuda_but_what_it_is_linked_to(self):
        libtorch.set_up("cpu")
        self.assertTrue(libtorch.is_linked())
        self.assertEqual(self.libraries(), {"libtorch_cpu.so", "libtorch.so", "libgomp.so", "libgomp.so.1"})
        self.assertEqual((libtorch.LINK / "lib" / "libtorch.so").read_text(), "INPUT(-ltorch_cpu)\n")
        self.assertEqual([path.name for path in (self.tree / "nvidia").rglob("*.*")], ["libcudart.so.13"])
        self.assertTrue((libtorch.LINK / "include/torch/csrc/api/include/torch/torch.h").exists())

    def test_turning_to_the_cuda_build_writes_the_file_that_build_rs_watches_anew(self):
        libtorch.set_up("cpu")
        version = libtorch.LINK / "build-version"
        os.utime(version, (1, 1))
        libtorch.set_up("cpu")
        self.assertEqual(version.stat().st_mtime, 1)
        libtorch.set_up("cuda")
        self.assertGreater(version.stat().st_mtime, 1)
        self.assertIn("libtorch_cuda.so", self.libraries())
        self.assertTrue((libtorch.LINK / "lib" / ".." / ".." / "nvidia" / "cudnn" / "lib" / "libcudnn.so.9").exists())

    def test_a_second_checkout_fetches_nothing(self):
        libtorch.set_up("cpu")
        with mock.patch.object(libtorch, "LINK", self.folder / ".libtorch"), mock.patch.object(libtorch, "fetch", None):
            libtorch.set_up("cpu")
            self.assertTrue(libtorch.is_linked())

    def test_a_file_that_is_not_the_pinned_one_is_refused_and_thrown_away(self):
        path = next(self.index.glob("torch-*"))
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("torch/lib/libevil.so", b"evil")
        with self.assertRaisesRegex(common.Problem, "not the file it should be"):
            libtorch.set_up("cpu")
        self.assertFalse(self.tree.exists())
        self.assertNotIn("torch", "".join(path.name for path in self.cache.iterdir() if path.name != "downloads"))

    def test_a_fetch_that_fails_says_what_to_do_and_keeps_the_wheels_before_it(self):
        torch = next(self.index.glob("torch-*"))
        torch.rename(self.folder / torch.name)
        with self.assertRaisesRegex(common.Problem, "Is the network up"):
            libtorch.set_up("cpu")
        self.assertEqual(len(list((self.cache / "downloads").iterdir())), 1)
        self.assertEqual(list(self.cache.glob("scratch-*")), [])
        (self.folder / torch.name).rename(torch)
        libtorch.set_up("cpu")
        self.assertFalse((self.cache / "downloads").exists())

    def test_a_wheel_damaged_since_an_interruption_is_fetched_again(self):
        (self.cache / "downloads").mkdir(parents=True)
        (self.cache / "downloads" / f"{self.wheels[0].sha256}.whl").write_bytes(b"half")
        libtorch.set_up("cpu")
        self.assertTrue(libtorch.is_linked())

    def test_a_tree_that_lost_a_byte_is_not_taken_for_a_whole_one(self):
        libtorch.set_up("cpu")
        (self.tree / "torch" / "lib" / "libtorch_cpu.so").write_bytes(b"cp")
        self.assertFalse(libtorch.is_linked())
        libtorch.ensure()
        self.assertTrue(libtorch.is_linked())

    def test_an_interruption_while_unpacking_leaves_no_tree(self):
        with mock.patch.object(libtorch, "finish", side_effect=KeyboardInterrupt), self.assertRaises(KeyboardInterrupt):
            libtorch.set_up("cpu")
        self.assertFalse(self.tree.exists())
        libtorch.set_up("cpu")
        self.assertTrue(libtorch.is_linked())

    def test_what_a_killed_run_left_is_cleared(self):
        leftover = self.cache / "scratch-killed"
        leftover.mkdir(parents=True)
        libtorch.set_up("cpu")
        self.assertFalse(leftover.exists())

    def test_two_at_once_end_in_one_whole_tree(self):
        context = multiprocessing.get_context("fork")
        both = [context.Process(target=libtorch.set_up, args=("cpu",)) for _ in range(2)]
        for process in both:
            process.start()
        for process in both:
            process.join()
        self.assertEqual([process.exitcode for process in both], [0, 0])
        self.assertTrue(libtorch.is_linked())

    def test_the_users_own_libtorch_is_left_alone(self):
        (libtorch.LINK / "lib").mkdir(parents=True)
        (libtorch.LINK / "lib" / "libtorch_cpu.so").touch()
        (libtorch.LINK / "build-version").write_text(libtorch.TORCH_VERSION)
        libtorch.ensure()
        self.assertFalse(self.cache.exists())
        with self.assertRaisesRegex(common.Problem, "did not put there"):
            libtorch.set_up("cpu")

    def test_libtorch_set_by_the_user_is_checked_and_nothing_is_fetched(self):
        with mock.patch.dict(os.environ, {"LIBTORCH": str(self.folder)}):
            with self.assertRaisesRegex(common.Problem, "no folder 'include'"):
                libtorch.ensure()
            (self.folder / "include").mkdir()
            libtorch.ensure()
        with mock.patch.dict(os.environ, {"LIBTORCH_USE_PYTORCH": "1"}):
            libtorch.ensure()
        self.assertFalse(self.cache.exists())

    def test_a_platform_without_a_wheel_is_named(self):
        with mock.patch.object(libtorch, "platform_name", lambda: "linux-riscv64"):
            with self.assertRaisesRegex(common.Problem, "linux-riscv64: set LIBTORCH"):
                libtorch.set_up("cpu")

    def test_a_full_disk_is_noticed_beforehand(self):
        full = mock.Mock(free=0)
        with mock.patch.object(libtorch.shutil, "disk_usage", return_value=full):
            with self.assertRaisesRegex(common.Problem, "Make room"):
                libtorch.set_up("cpu")


if __name__ == "__main__":
    unittest.main()
