"""A process of this run where none should be. No signature: only where it is, and whose it says it is."""

from apps.detection.argv.names import names, program_name
from apps.detection.facts import ProcessFact
from apps.detection.rules.base import PROCESS, Detail, Rule

SCRATCH_PLACES = ("/tmp/", "/var/tmp/", "/dev/shm/", "/run/user/", "/run/shm/")  # noqa: S108 - compared, not used
# Places below a scratch folder where build and package tools start programs of their own.
_TOOLS_OWN = (
    "/pip-", "/uv-", "/.tmp", "/ray/", "/torchinductor", "/conda-", "/build-env-", "/cargo-install",
    "/go-build", "/npm-", "/bazel", "/ccache", "/triton", "/nvcc", "/pyright", "/playwright",
    "/nix-",
)  # fmt: skip
KERNEL_LIKE = (
    "[kworker", "[migration", "[ksoftirqd", "[watchdog", "[rcu", "[kthread", "[jbd2", "[scsi", "[cpuhp",
    "[kdevtmp", "[netns", "[khungtask", "[oom_reaper", "[bioset", "[md", "[crypto", "[kswapd",
)  # fmt: skip


def inside(cgroup: str, run_cgroup: str) -> bool:
    """Whether a cgroup is the run's own or below it."""
    base = run_cgroup.rstrip("/")
    return cgroup == base or cgroup.startswith(base + "/")


def _left_cgroup(fact: ProcessFact) -> Detail | None:
    if fact.marker is None or not fact.run_cgroup or not fact.cgroup or inside(fact.cgroup, fact.run_cgroup):
        return None
    return {"marker": fact.marker, "cgroup": fact.cgroup, "expected": fact.run_cgroup}


def _after_end(fact: ProcessFact) -> Detail | None:
    if not fact.run_ended:
        return None
    member = bool(fact.run_cgroup) and inside(fact.cgroup, fact.run_cgroup or "")
    if not member and fact.marker is None:
        return None
    return {"marker": fact.marker, "cgroup": fact.cgroup, "in_cgroup": member}


def _without_file(fact: ProcessFact) -> Detail | None:
    unfiled = fact.exe.startswith(("/memfd:", "memfd:")) or (
        fact.exe.endswith("(deleted)") and fact.zone == "run"
    )
    shared = fact.exe.startswith("/dev/shm/") and fact.zone == "run"  # noqa: S108
    return {"exe": fact.exe, "cwd": fact.cwd} if unfiled or shared else None


def _from_scratch(fact: ProcessFact) -> Detail | None:
    if fact.zone != "run" or not fact.exe.startswith(SCRATCH_PLACES) or _without_file(fact):
        return None
    tool = any(place in fact.exe for place in _TOOLS_OWN) or fact.exe.rpartition("/")[2] in (
        "conftest",
        "a.out",
    )
    return None if tool else {"exe": fact.exe, "cwd": fact.cwd}


def _kernel_mask(fact: ProcessFact) -> Detail | None:
    """Kernel threads have no file and no arguments; a program that calls itself like one hides."""
    name = fact.argv[0] if fact.argv else ""
    return {"name": name, "exe": fact.exe} if fact.exe and name.startswith(KERNEL_LIKE) else None


def _false_name(fact: ProcessFact) -> Detail | None:
    """`exec -a` and the like: a run's process that goes by another common program's name."""
    if fact.zone != "run" or not fact.exe or not fact.argv:
        return None
    claimed, real = program_name(fact.argv[0]), program_name(fact.exe)
    if (
        claimed in _WELL_KNOWN
        and real not in _WELL_KNOWN
        and "/" in fact.exe
        and not fact.exe.startswith(SYSTEM_PLACES)
    ):
        return {"name": fact.argv[0], "exe": fact.exe}
    return None


_WELL_KNOWN = names(
    """
    sshd cron crond systemd init dbus-daemon rsyslogd containerd dockerd nginx apache2 httpd bash sh dash
    sleep top ps torchrun nvidia-smi kubelet agetty
    """
)
SYSTEM_PLACES = ("/usr/", "/bin/", "/sbin/", "/lib", "/opt/", "/snap/", "/nix/")

LEFT = Rule(
    slug="run-left-cgroup",
    version=1,
    family="accounting",
    behaviour="process out of place",
    level="critical",
    technique="T1564",
    title="Process of a run outside its cgroup",
    description=(
        "A process carries the run's marker in its environment but lives in another cgroup: it has left "
        "the place where the run is accounted for, and where a kill would look first."
    ),
    false_positives=(
        "A scheduler that moves a job's processes on purpose; record the new cgroup with the run."
    ),
    examples=(
        '{"argv": ["python3", "w.py"], "exe": "/usr/bin/python3", "cwd": "/", "cgroup": "/user.slice", '
        '"zone": "run", "marker": "rome-7", "run_cgroup": "/sentinel/rome-7"}',
    ),
    match=_left_cgroup,
    on=frozenset({PROCESS}),
    reads="fact",
)
AFTER = Rule(
    slug="run-process-after-end",
    version=1,
    family="accounting",
    behaviour="process out of place",
    level="critical",
    technique="T1564",
    title="Process of a run that has ended",
    description="The run is over, yet a process started in its cgroup or with its marker.",
    false_positives="Clean-up hooks that outlive the run by a moment.",
    examples=(
        '{"argv": ["sh", "-c", "x"], "exe": "/usr/bin/dash", "cwd": "/", "cgroup": "/sentinel/rome-7/x", '
        '"zone": "run", "run_cgroup": "/sentinel/rome-7", "run_ended": true}',
    ),
    match=_after_end,
    on=frozenset({PROCESS}),
    reads="fact",
)
WITHOUT_FILE = Rule(
    slug="process-without-file",
    version=1,
    family="accounting",
    behaviour="process out of place",
    level="critical",
    technique="T1620",
    title="Process that runs from memory or a deleted file",
    description=(
        "The program is an anonymous memory file, lies in shared memory, or was deleted after it started "
        "(the latter two only in a run)."
    ),
    false_positives=(
        "Container runtimes clone themselves into memory (runc); a package upgraded under a running job."
    ),
    examples=(
        '{"argv": ["python3"], "exe": "/memfd:a (deleted)", "cwd": "/", "cgroup": "/r", "zone": "run"}',
    ),
    match=_without_file,
    on=frozenset({PROCESS}),
    reads="fact",
)  # fmt: skip
SCRATCH = Rule(
    slug="run-process-from-scratch",
    version=1,
    family="accounting",
    behaviour="process out of place",
    level="medium",
    technique="T1036.005",
    title="Run starts a program from a scratch folder",
    description=(
        "A process of the run is a program that lies in /tmp, /var/tmp or a user's run folder, outside the "
        "places where build and package tools work."
    ),
    false_positives=(
        "Tasks that compile and test small programs in /tmp: expected in coding environments."
    ),
    examples=(
        '{"argv": ["./w"], "exe": "/tmp/.x/w", "cwd": "/tmp/.x", "cgroup": "/r", "zone": "run"}',
    ),
    match=_from_scratch,
    on=frozenset({PROCESS}),
    reads="fact",
)  # fmt: skip
KERNEL = Rule(
    slug="kernel-thread-name",
    version=1,
    family="accounting",
    behaviour="process out of place",
    level="critical",
    technique="T1036.004",
    title="Program that calls itself a kernel thread",
    description="The name is that of a kernel thread, but there is a file behind it.",
    false_positives="None known.",
    examples=(
        '{"argv": ["[kworker/0:1]"], "exe": "/home/u/.c/m", "cwd": "/", "cgroup": "/r", "zone": "host"}',
    ),
    match=_kernel_mask,
    on=frozenset({PROCESS}),
    reads="fact",
)  # fmt: skip
FALSE_NAME = Rule(
    slug="false-program-name",
    version=1,
    family="accounting",
    behaviour="process out of place",
    level="high",
    technique="T1036.005",
    title="Run's process under a system program's name",
    description=(
        "A process of the run goes by the name of a common system program, but the file behind it is "
        "another one."
    ),
    false_positives="Wrappers that set argv[0].",
    examples=(
        '{"argv": ["sshd"], "exe": "/home/u/work/m", "cwd": "/", "cgroup": "/r", "zone": "run"}',
    ),
    match=_false_name,
    on=frozenset({PROCESS}),
    reads="fact",
)  # fmt: skip
RULES = (LEFT, AFTER, WITHOUT_FILE, SCRATCH, KERNEL, FALSE_NAME)
