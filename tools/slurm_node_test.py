"""Tests slurm_node.py from outside: how it ends, and what it leaves behind."""

import contextlib
import os
import subprocess
import sys
import unittest
from pathlib import Path

SCRIPT = Path(__file__).with_name("slurm_node.py")
EXIT_UNAVAILABLE = 69


class SlurmNodeTest(unittest.TestCase):
    def test_where_a_program_is_missing_it_says_which_and_ends_with_a_code_of_its_own(self):
        ended = subprocess.run([sys.executable, SCRIPT], env={"PATH": "/nowhere"}, stdin=subprocess.DEVNULL, capture_output=True)
        self.assertEqual(ended.returncode, EXIT_UNAVAILABLE)
        self.assertIn("munge", ended.stderr.decode())

    def test_it_takes_jobs_until_its_standard_input_ends_and_leaves_nothing_behind(self):
        with subprocess.Popen([sys.executable, SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            told = process.stdout.readline().decode().strip()
            if not told:
                process.communicate()
                self.assertEqual(process.returncode, EXIT_UNAVAILABLE)
                if os.environ.get("CI") == "true":
                    self.fail("there is no SLURM here; `.ci/install` installs it, and running it needs root")
                self.skipTest("there is no SLURM here")
            configuration = Path(told[len("SLURM_CONF="):])
            environment = {**os.environ, "SLURM_CONF": str(configuration)}
            # Ends long after the test, if nobody ends it.
            submit = ["sbatch", "--parsable", "--output=/dev/null", "--wrap=sleep 600"]
            job = subprocess.run(submit, env=environment, check=True, capture_output=True).stdout.decode().strip()
            self.assertTrue(job.isdigit(), job)
            process.communicate()
        self.assertEqual(process.returncode, 0)
        self.assertFalse(configuration.parent.exists())
        self.assertNotIn(str(configuration.parent), commands_that_run())


def commands_that_run():
    """The command lines of all processes."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # It has ended meanwhile.
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return "\n".join(lines)


if __name__ == "__main__":
    unittest.main()
