"""Programs that start another program: which part of their arguments is that other one."""

from collections.abc import Callable
from dataclasses import dataclass, field

from apps.detection.argv.getopt import getopt
from apps.detection.argv.names import program_name

Args = tuple[str, ...]
SHELLS = frozenset({"bash", "sh", "dash", "zsh", "ksh", "ash", "fish", "csh", "tcsh", "yash"})


@dataclass(frozen=True, slots=True)
class Inner:
    """What a launcher starts: a list of arguments, or text for a shell."""

    argv: Args = ()
    text: str | None = None
    assigns: dict[str, str] = field(default_factory=dict)
    remote: bool = False


def peel(program: str, args: Args) -> list[Inner]:
    """What this program would start, one level in; nothing if it is no launcher."""
    if program in SHELLS:
        return _shell(args)
    reader = _READERS.get(program)
    return [inner for inner in reader(args) if inner.argv or inner.text] if reader else []


def is_launcher(program: str) -> bool:
    """Whether a program of this name starts others."""
    return program in SHELLS or program in _READERS


def shell_options(args: Args) -> tuple[str | None, Args]:
    """The text after -c (bundled as in -lc, too), and the operands."""
    at = 0
    wants_text = False
    while at < len(args):
        word = args[at]
        if word in ("-o", "+o", "-O", "+O", "--rcfile", "--init-file"):
            at += 2
            continue
        if word == "--":
            at += 1
            break
        if word[:1] not in ("-", "+") or len(word) == 1:
            break
        wants_text = (
            wants_text or word == "--command" or (word[:1] == "-" and word[1:2] != "-" and "c" in word)
        )
        at += 1
    rest = args[at:]
    return (rest[0], rest[1:]) if wants_text and rest else (None, rest)


def _shell(args: Args) -> list[Inner]:
    text, _ = shell_options(args)
    return [Inner(text=text)] if text else []


def _plain(
    short: str = "", long: str = "", skip: int = 0, *, assigns: bool = False
) -> Callable[[Args], list[Inner]]:
    """A launcher with options, `skip` operands of its own, then the program."""
    longs = frozenset("--" + name for name in long.split())

    def read(args: Args) -> list[Inner]:
        rest = getopt(args, short, longs, permute=False).rest[skip:]
        found: dict[str, str] = {}
        while assigns and rest and "=" in rest[0] and rest[0][:1] not in "=-/":
            name, _, value = rest[0].partition("=")
            found[name] = value
            rest = rest[1:]
        return [Inner(argv=rest, assigns=found)]

    return read


def _env(args: Args) -> list[Inner]:
    options = getopt(args, "u:C:S:", frozenset({"--unset", "--chdir", "--split-string"}), permute=False)
    for split in options.values("S", "--split-string"):
        return [Inner(text=" ".join([split, *options.rest]))]
    return _plain("u:C:S:", "unset chdir split-string", assigns=True)(args)


def _su(args: Args) -> list[Inner]:
    options = getopt(args, "c:g:G:s:w:l", frozenset({"--command", "--shell", "--group"}))
    return [Inner(text=text) for text in options.values("c", "--command")]


def _joined(short: str = "", long: str = "", skip: int = 0) -> Callable[[Args], list[Inner]]:
    """A launcher that hands its operands, joined by blanks, to a shell."""
    longs = frozenset("--" + name for name in long.split())

    def read(args: Args) -> list[Inner]:
        rest = getopt(args, short, longs, permute=False).rest[skip:]
        return [Inner(argv=rest)] if len(rest) > 1 else [Inner(text=" ".join(rest))]

    return read


def _find(args: Args) -> list[Inner]:
    found: list[Inner] = []
    for at, word in enumerate(args[:256]):
        if word in ("-exec", "-execdir", "-ok", "-okdir"):
            ends = [i for i in range(at + 1, len(args)) if args[i] in (";", "+", "\\;")]
            found.append(Inner(argv=args[at + 1 : ends[0] if ends else len(args)]))
            if len(found) == 4:
                break
    return found


def _container(args: Args) -> list[Inner]:
    """docker exec|run: the program is what follows the container or image."""
    options = getopt(
        args, "H:c:l:", frozenset({"--host", "--context", "--config", "--log-level"}), permute=False
    )
    words = options.rest[1:] if options.rest[:1] in (("container",), ("compose",)) else options.rest
    if words[:1] == ("exec",):
        rest = getopt(
            words[1:], "e:u:w:", frozenset({"--env", "--user", "--workdir", "--env-file"}), permute=False
        )
        return [Inner(argv=rest.rest[1:])]
    if words[:1] in (("run",), ("create",)):
        image, *command = getopt(words[1:], RUN_SHORT, RUN_LONG, permute=False).rest or ("",)
        named = (
            image.partition("@")[0].rpartition("/")[2].partition(":")[0]
        )  # most images start what they are called
        return [Inner(argv=tuple(command)), Inner(argv=(named, *command) if named else ())]
    return []


RUN_SHORT = "a:c:e:h:l:m:p:u:v:w:"
RUN_LONG = frozenset(
    "--" + name
    for name in [
        "add-host",
        "attach",
        "cap-add",
        "cap-drop",
        "cgroup-parent",
        "cgroupns",
        "cpus",
        "cpuset-cpus",
        "device",
        "dns",
        "entrypoint",
        "env",
        "env-file",
        "expose",
        "gpus",
        "group-add",
        "hostname",
        "ip",
        "ipc",
        "label",
        "link",
        "log-driver",
        "log-opt",
        "mac-address",
        "memory",
        "memory-swap",
        "mount",
        "name",
        "net",
        "network",
        "network-alias",
        "pid",
        "pids-limit",
        "platform",
        "publish",
        "restart",
        "runtime",
        "security-opt",
        "shm-size",
        "stop-signal",
        "storage-opt",
        "sysctl",
        "tmpfs",
        "ulimit",
        "user",
        "userns",
        "uts",
        "volume",
        "volumes-from",
        "workdir",
    ]
)


def _kubectl(args: Args) -> list[Inner]:
    return [Inner(argv=args[args.index("--") + 1 :])] if "--" in args else []


SSH_SHORT = "1246ab:c:e:fgi:kl:m:no:p:qstvxAB:CD:E:F:GI:J:KL:MNO:P:Q:R:S:TVw:W:XYy"


def ssh_operands(args: Args, short: str = SSH_SHORT) -> tuple[tuple[tuple[str, str], ...], str, Args]:
    """Options, host and remote command: ssh reads options before and right after the host."""
    first = getopt(args, short, permute=False)
    if not first.rest:
        return first.given, "", ()
    second = getopt(first.rest[1:], short, permute=False)
    return first.given + second.given, first.rest[0], second.rest


def _ssh(args: Args) -> list[Inner]:
    _, host, command = ssh_operands(args)
    return [Inner(text=" ".join(command), remote=True)] if host and command else []


def _first_known(args: Args) -> list[Inner]:
    """Cluster launchers have hundreds of options: the program is the first word that names one we know."""
    for at, word in enumerate(args[:128]):
        name = program_name(word)
        if word[:1] != "-" and (name in SHELLS or name in _READERS or name in ("python", "perl", "node")):
            return [Inner(argv=args[at:])]
    return []


def _after_run(args: Args) -> list[Inner]:
    """uv run, poetry run, conda run, pipenv run, hatch run, pixi run, npm exec."""
    if args[:1] not in (("run",), ("exec",), ("shell",)):
        return []
    longs = "with python project package extra group name prefix env-file index directory"
    return _plain("p:n:", longs)(args[1:])


def _script(args: Args) -> list[Inner]:
    options = getopt(args, "c:E:I:O:B:m:o:T:t::", frozenset({"--command"}))
    return [Inner(text=text) for text in options.values("c", "--command")]


def _busybox(args: Args) -> list[Inner]:
    return [Inner(argv=args)] if args and args[0][:1] != "-" else []


def _eval(args: Args) -> list[Inner]:
    return [Inner(text=" ".join(args))]


def _trap(args: Args) -> list[Inner]:
    return [Inner(text=args[0])] if len(args) > 1 and args[0][:1] != "-" else []


def _tmux(args: Args) -> list[Inner]:
    """tmux new-session 'command', send-keys 'command' Enter; screen -dm command."""
    words = [word for word in args if word not in ("Enter", "C-m", "ENTER")]
    if not words or words[0] not in (
        "new-session",
        "new",
        "new-window",
        "neww",
        "split-window",
        "send-keys",
        "send",
    ):
        return []
    rest = getopt(tuple(words[1:]), "c:e:F:f:n:s:t:x:y:l:").rest
    return [Inner(text=" ".join(rest))] if rest else []


_READERS: dict[str, Callable[[Args], list[Inner]]] = {
    "sudo": _plain("A:C:D:g:h:p:R:r:T:t:U:u:", "user group host prompt chdir chroot role type", assigns=True),
    "doas": _plain("C:u:", assigns=True), "pkexec": _plain("", "user"), "env": _env, "eval": _eval,
    "nohup": _plain(), "setsid": _plain(), "unbuffer": _plain(), "time": _plain("f:o:", "format output"),
    "command": _plain(), "builtin": _plain(), "exec": _plain("a:"), "disown": _plain(), "chronic": _plain(),
    "timeout": _plain("k:s:", "kill-after signal", 1), "nice": _plain("n:", "adjustment"),
    "ionice": _plain("c:n:p:P:u:", "class classdata"), "chrt": _plain("T:P:D:", "", 1),
    "taskset": _plain("", "", 1), "numactl": _plain("C:m:N:p:i:"), "prlimit": _plain(), "firejail": _plain(),
    "stdbuf": _plain("i:o:e:", "input output error"), "cpulimit": _plain("l:e:p:P:c:", "limit exe pid path"),
    "xargs": _plain("a:d:E:I:L:n:P:s:i::l::e::", "arg-file delimiter max-lines max-args max-procs max-chars"),
    "parallel": _plain("a:j:I:S:n:N:", "jobs arg-file sshlogin joblog"), "setpriv": _plain(),
    "flock": _plain("w:E:", "timeout wait", 1), "gosu": _plain(skip=1), "su-exec": _plain(skip=1),
    "runuser": _su, "su": _su, "trap": _trap, "watch": _joined("n:", "interval"), "script": _script,
    "systemd-run": _plain("p:u:H:M:E:G", "unit property slice description on-calendar on-active on-boot uid"
                          " gid working-directory setenv timer-property"),
    "strace": _plain("a:b:e:E:I:o:O:p:P:s:S:u:U:X:"), "ltrace": _plain("a:e:n:o:p:s:u:x:"),
    "proxychains": _plain("f:"), "proxychains4": _plain("f:"), "torsocks": _plain("P:a:u:p:"),
    "torify": _plain(),
    "sshpass": _plain("f:d:p:P:"), "rlwrap": _plain("b:f:H:l:s:S:"), "catchsegv": _plain(), "find": _find,
    "docker": _container, "kubectl": _kubectl, "oc": _kubectl, "lxc": _kubectl, "ssh": _ssh,
    "busybox": _busybox, "toybox": _busybox, "k3s": _busybox,
    "srun": _first_known, "sbatch": _first_known, "mpirun": _first_known, "mpiexec": _first_known,
    "torchrun": _first_known, "accelerate": _first_known, "deepspeed": _first_known, "ray": _first_known,
    "apptainer": _first_known, "singularity": _first_known, "enroot": _first_known, "capsh": _first_known,
    "start-stop-daemon": _first_known, "ip": lambda args: _first_known(args) if "exec" in args else [],
    "unshare": _plain("S:G:R:w:", "setuid setgid root wd"), "chroot": _plain("", "", 1),
    "nsenter": _plain("t:S:G:", "target setuid setgid"),
    "uv": _after_run, "poetry": _after_run, "conda": _after_run, "mamba": _after_run, "pipenv": _after_run,
    "hatch": _after_run, "pixi": _after_run, "npm": _after_run, "micromamba": _after_run, "pipx": _after_run,
    "npx": _plain("p:c:", "package"), "uvx": _plain("p:", "with from python"), "bunx": _plain(),
    "tmux": _tmux, "screen": _plain("c:h:p:S:t:s:T:"), "dtach": _plain("", "", 1),
    "daemonize": _plain("a:c:e:o:p:l:u:"),
}  # fmt: skip
