"""Runs a SLURM of one node on this machine for as long as it is asked to: for tests, and to try slurm/job.slurm.

    python3 tools/slurm_node.py                         a SLURM until the end of standard input, or Ctrl-C
    sudo python3 tools/slurm_node.py COMMAND [ARG…]     a SLURM for the time of that command; its status is ours

Prints `SLURM_CONF=FILE` when jobs can be submitted: with that in the environment sbatch, squeue and scontrol speak to this
SLURM and to no other. All of it lives in one temporary folder and on free ports of the loopback interface: no file of the
system is touched, a SLURM that is there already goes on undisturbed, and nothing is left behind, not even if the caller is
killed, for then its end of our standard input closes. No systemd is needed, and no control groups, so it works in a container.

Needs root, or a sudo that asks for no password, and Debian's packages slurm-wlm and munge (.ci/install installs them). Exit
code 69 says that this machine cannot run it, with the reason on standard error.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import Problem, say, succeeds

DAEMONS = ("munged", "slurmctld", "slurmd")
CLIENTS = ("munge", "sbatch", "scancel", "scontrol", "sinfo", "squeue")
# What SLURM believes to have. More than there is, so that the tests that run side by side don't wait for one another.
NUM_CPUS, MEMORY_MB = 8, 64_000
READY_TIMEOUT_S = 30
STOP_TIMEOUT_S = 10
# sysexits.h: a service is unavailable.
EXIT_UNAVAILABLE = 69

SLURM_CONF = """\
ClusterName=llc-test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
# Without these both daemons listen on all interfaces.
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A requeued job waits until its old credential has expired: two minutes by default, and also where less than 5 s is asked for.
AuthInfo=socket={folder}/munge/socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
# No control groups: a container need not have them.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
# Jobs start at once, not at the next of the rare rounds that spare a large cluster.
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,sched_min_interval=0,batch_sched_delay=0,bf_interval=2
# Finished jobs stay visible to scontrol, for want of an accounting database.
MinJobAge=3600
MaxArraySize=10001
JobRequeue=1
KillWait=5
ReturnToService=2
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=1-0 DefMemPerCPU=256 State=UP
"""


class Unavailable(Problem):
    """Why this machine cannot run a SLURM of its own."""


def main(command):
    os.umask(0o022)  # Jobs may be another user's.
    require_programs()
    if os.geteuid() != 0:
        become_root(command)
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # A socket's path must be short.
    folder.chmod(0o755)
    try:
        with node(folder) as environment:
            if command:
                return subprocess.run(command, env=environment).returncode
            print(f"SLURM_CONF={environment['SLURM_CONF']}", flush=True)
            while sys.stdin.buffer.read(4096):
                pass
            return 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def require_programs():
    """Checks that this machine has all that it takes."""
    # Daemons are in sbin, which is not on every PATH.
    os.environ["PATH"] = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin"
    for program in DAEMONS + CLIENTS:
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is not installed (Debian, Ubuntu: apt-get install slurm-wlm munge)")


def become_root(command):
    """Starts anew by sudo; but a command of the user's is not to run as root unless the user says so."""
    if command or not succeeds("sudo", "-n", "true"):
        raise Unavailable("a SLURM of one's own needs root")
    os.execvp("sudo", ["sudo", "-n", sys.executable, os.path.abspath(__file__)])


@contextlib.contextmanager
def node(folder):
    """A SLURM in `folder` that takes jobs; gives the environment for its clients."""
    configuration = folder / "slurm.conf"
    for name, mode in (("munge", 0o755), ("spool", 0o755), ("state", 0o700)):
        (folder / name).mkdir(mode=mode)
    configuration.write_text(SLURM_CONF.format(
        host=host(), folder=folder, controller_port=free_port(), node_port=free_port(), cpus=NUM_CPUS,
        memory_mb=MEMORY_MB))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
    environment = {**kept, "SLURM_CONF": str(configuration)}
    with contextlib.ExitStack() as stack:
        stack.enter_context(daemon(munge_command(folder / "munge"), folder / "munge.out", environment))
        until(lambda: succeeds("munge", "--no-input", "--socket", str(folder / "munge" / "socket")), "munge", folder)
        stack.enter_context(daemon(["slurmctld", "-D", "-f", configuration], folder / "slurmctld.out", environment))
        stack.enter_context(daemon(["slurmd", "-D", "-f", configuration, "-N", host()], folder / "slurmd.out", environment))
        stack.callback(cancel_all, environment)
        until(lambda: "idle" in output(["sinfo", "--noheader", "--format=%T"], environment), "SLURM", folder)
        yield environment


def munge_command(folder):
    """The daemon that signs what SLURM's parts say to each other, with a key of its own."""
    key = folder / "key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    return ["munged", "--foreground", "--key-file", key, "--socket", folder / "socket", "--pid-file",
            folder / "pid", "--log-file", folder / "log", "--seed-file", folder / "seed"]


def host():
    """This machine's name: the controller refuses to run under another."""
    return socket.gethostname().split(".")[0]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def daemon(command, log, environment):
    """Runs a program in the foreground beside us, and ends it.

    In a session of its own: Ctrl-C is for us, who end it in the right order.
    """
    with open(log, "wb") as sink:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                                   start_new_session=True)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cancel_all(environment):
    """Ends all jobs, so that none outlives the daemons."""
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while time.monotonic() < deadline:
        jobs = output(["squeue", "--noheader", "--format=%A"], environment).split()
        if not jobs:
            return
        subprocess.run(["scancel", "--quiet", *jobs], env=environment, stderr=subprocess.DEVNULL)
        time.sleep(0.2)


def output(command, environment):
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()


def until(is_ready, name, folder):
    """Waits for what was started; if it does not come, says what its logs say."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not is_ready():
        if time.monotonic() > deadline:
            logs = [path for path in sorted([*folder.glob("*.log"), *folder.glob("*.out"), folder / "munge" / "log"])
                    if path.exists() and path.stat().st_size]
            told = "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-2000:]}" for path in logs)
            raise Unavailable(f"{name} did not start within {READY_TIMEOUT_S} s\n{told}")
        time.sleep(0.05)


def end(*_):
    """Ends the program in order; a second signal does not cut that short."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    try:
        sys.exit(main(sys.argv[1:]))
    except Unavailable as problem:
        say(f"slurm_node: {problem}")
        sys.exit(EXIT_UNAVAILABLE)
    except KeyboardInterrupt:
        sys.exit(130)
