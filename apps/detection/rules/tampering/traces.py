"""Traces wiped: logs, command history, times; and the machine brought down."""

import re

from apps.detection.argv import getopt
from apps.detection.argv.invocation import Invocation
from apps.detection.argv.names import names, program_name
from apps.detection.rules.base import Detail, Rule
from apps.detection.rules.files import removes, writes

_LOGS = re.compile(
    r"^/var/log(?:/|$)(?!.*\.(?:gz|\d+)$)|^/var/(?:run|adm)/utmp|^/var/adm/|/var/spool/mail|/(?:wtmp|btmp|lastlog|faillog|utmp)$|^/var/audit|^/run/log/journal"
)
_HISTORY = re.compile(
    r"\.(?:bash|zsh|sh|ash|fish|python|mysql|psql|node_repl|rediscli|less)?_?(?:history|hst)$|\.histfile$|\$HISTFILE|fish_history$"
)
_SYSTEM = re.compile(r"^/(?:etc|bin|sbin|usr|lib|boot|var/log|var/spool|root)(?:/|$)")
_DISGUISED = names(
    "sh bash dash zsh ksh python perl ruby nc ncat socat curl wget ssh busybox nsenter tcpdump"
)
_APPLICATION = re.compile(
    r"^/var/log/(?:nginx|apache2|httpd|mysql|postgresql|supervisor|app|myapp|ray|slurm|celery|gunicorn|test)"
)
_HISTORY_OFF = {
    "HISTFILE": ("/dev/null", "", "0"),
    "HISTSIZE": ("0",),
    "HISTFILESIZE": ("0",),
    "SAVEHIST": ("0",),
    "HISTCONTROL": ("ignoreboth", "ignorespace", "ignoreboth:erasedups"),
    "HISTIGNORE": ("*",),
}


def _logs(invocation: Invocation) -> Detail | None:
    for path in removes(invocation):
        if _LOGS.search(path) and not _APPLICATION.search(path):
            return {"program": invocation.program or "redirection", "path": path}
    editing = invocation.program in ("sed", "perl") and next(
        (p for p in writes(invocation) if _LOGS.search(p)), ""
    )
    return {"program": invocation.program, "path": editing} if editing else None


def _journal(invocation: Invocation) -> Detail | None:
    short = ("0", "1s", "1", "0s", "1k", "1m", "1b", "0d", "1us")
    for at, word in enumerate(invocation.args):
        name, _, value = word.partition("=")
        value = value or (invocation.args[at + 1] if at + 1 < len(invocation.args) else "")
        if name in ("--vacuum-time", "--vacuum-size", "--vacuum-files") and value.lower() in short:
            return {"arguments": " ".join(invocation.args)}
    return None


def _history(invocation: Invocation) -> Detail | None:
    path = next((p for p in removes(invocation) if _HISTORY.search(p)), "")
    if path:
        return {"path": path}
    if invocation.program == "history":
        flags = "".join(word[1:] for word in invocation.args if word[:1] == "-")
        return {"arguments": " ".join(invocation.args)} if "c" in flags else None
    if invocation.program == "unset" and {"HISTFILE", "HISTSIZE", "HISTFILESIZE"} & set(invocation.args):
        return {"variable": invocation.args[0]}
    off = invocation.program in ("set", "shopt", "setopt", "unsetopt") and " ".join(invocation.args) in (
        "+o history",
        "-u -o history",
        "-uo history",
    )
    if off or (invocation.program == "chattr" and any(_HISTORY.search(word) for word in invocation.args)):
        return {"arguments": " ".join(invocation.args)}
    for name, values in _HISTORY_OFF.items():
        if name in invocation.assigns and invocation.assigns[name].strip("'\"") in values:
            return {"variable": name, "value": invocation.assigns[name]}
    return None


def _attributes(invocation: Invocation) -> Detail | None:
    mode = next(
        (
            word
            for word in invocation.args
            if word[:1] in "+-=" and set(word[1:]) & set("ia") and word[1:2].islower() and len(word) < 6
        ),
        "",
    )
    path = next((word for word in invocation.args if _SYSTEM.match(word) or "/.ssh" in word), "")
    return (
        {"mode": mode, "path": path}
        if (mode and path and mode not in ("-a", "-i")) or (mode in ("-i", "-a", "-ia") and path)
        else None
    )


def _times(invocation: Invocation) -> Detail | None:
    options = getopt(invocation.args, "d:r:t:", frozenset({"--date", "--reference", "--time"}))
    stamped = options.has("r", "t", "d", "--date", "--reference")
    if options.value("t").startswith("1970"):
        return {"path": options.rest[0] if options.rest else "", "from": options.value("t")}
    path = next((word for word in options.rest if _SYSTEM.match(word) and not word.startswith("/var")), "")
    borrowed = next((value for value in options.values("r", "--reference") if _SYSTEM.match(value)), "")
    return (
        {"path": path or (options.rest[0] if options.rest else ""), "from": borrowed}
        if stamped and (path or borrowed)
        else None
    )


def _machine(invocation: Invocation) -> Detail | None:
    path = next((path for path in writes(invocation) if path == "/proc/sysrq-trigger"), "")
    return {"written": " ".join(invocation.args)} if path else None


def _open_rights(invocation: Invocation) -> Detail | None:
    """Everything for everybody, on the system's own files."""
    words = [word for word in invocation.args if word[:1] != "-"]
    wide = bool(words) and (
        words[0].lstrip("0") in ("777", "666", "o+w", "a+w", "a+rwx", "ugo+rwx", "+w", "o+rw", "a=rwx")
        or words[0].endswith(("o+w", "a+rwx"))
    )
    path = next(
        (
            word
            for word in words[1:]
            if re.match(
                r"/(?:etc|bin|sbin|usr/bin|usr/sbin|boot|root|lib|var/log|var/spool/cron)(?:/|$)", word
            )
            or word == "/"
        ),
        "",
    )
    return {"mode": words[0], "path": path} if wide and path else None


def _everything(invocation: Invocation) -> Detail | None:
    """The whole file system removed, or the machine choked."""
    options = getopt(invocation.args)
    recursive = options.has("r", "R", "--recursive")
    whole = next((word for word in options.rest if word in ("/", "/*", "/.", "/.*")), "")
    if recursive and (whole or options.has("--no-preserve-root")):
        return {"program": "rm", "path": whole or options.rest[-1] if options.rest else ""}
    return None


def _disguise(invocation: Invocation) -> Detail | None:
    """A shell or interpreter copied under another name."""
    operands = [word for word in invocation.args if word[:1] != "-"]
    if len(operands) != 2:
        return None
    source, target = operands
    name = source.rpartition("/")[2]
    known = (
        source.startswith(("/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/"))
        and program_name(source) in _DISGUISED
    )
    renamed = target.rpartition("/")[2] not in ("", name) and not target.endswith(
        (".bak", ".orig", ".old", ".real")
    )
    return {"source": source, "target": target} if known and renamed and target not in (".", "..") else None


LOGS = Rule(
    slug="logs-wiped",
    version=1,
    family="tampering",
    behaviour="wiping traces",
    level="high",
    technique="T1685.006",
    title="System logs wiped",
    description="Files below /var/log or the login records are deleted, emptied or edited in place.",
    false_positives="Clean-up of a full disk; logs of known applications do not match.",
    examples=(
        "rm -rf /var/log/*", "cat /dev/null > /var/log/auth.log", "shred -u /var/log/wtmp",
        "truncate -s 0 /var/log/syslog",
    ),
    match=_logs,
    files=True,
    hints=(
        "/var/log", "wtmp", "btmp", "lastlog", "utmp", "/var/adm", "spool/mail", "/var/audit", "/run/log",
    ),
)  # fmt: skip
JOURNAL = Rule(
    slug="journal-vacuumed",
    version=1,
    family="tampering",
    behaviour="wiping traces",
    level="high",
    technique="T1685.006",
    title="Journal emptied",
    description="journalctl is told to keep nothing.",
    false_positives="Clean-up of a full disk.",
    examples=("journalctl --rotate --vacuum-time=1s",),
    match=_journal,
    programs=frozenset({"journalctl"}),
)
HISTORY = Rule(
    slug="history-wiped",
    version=1,
    family="tampering",
    behaviour="wiping traces",
    level="medium",
    technique="T1070.003",
    title="Command history wiped or switched off",
    description=(
        "The shell's history is cleared, its file removed or led to nowhere, or recording is turned off."
    ),
    false_positives="Personal habits; image builds.",
    examples=(
        "history -c", "rm ~/.bash_history", "export HISTFILE=/dev/null", "ln -sf /dev/null ~/.bash_history",
        "set +o history", "unset HISTFILE",
    ),
    match=_history,
    files=True,
    hints=("hist", "_hst"),
)  # fmt: skip
ATTRIBUTES = Rule(
    slug="file-locked",
    version=1,
    family="tampering",
    behaviour="wiping traces",
    level="medium",
    technique="T1222.002",
    title="System file locked or unlocked",
    description="chattr sets or clears the immutable or append-only flag on a system file.",
    false_positives="Hardening scripts.",
    examples=("chattr +i /etc/ld.so.preload", "chattr -ia /etc/passwd"),
    match=_attributes,
    programs=frozenset({"chattr"}),
)
TIMES = Rule(
    slug="times-forged",
    version=1,
    family="tampering",
    behaviour="wiping traces",
    level="medium",
    technique="T1070.006",
    title="File times forged",
    description="touch gives a file the time of a system file, or a system file another time.",
    false_positives="Reproducible package builds.",
    examples=("touch -r /bin/ls /tmp/.x/m", "touch -acmr /etc/hosts /etc/passwd"),
    match=_times,
    programs=frozenset({"touch"}),
)
MACHINE = Rule(
    slug="sysrq",
    version=1,
    family="tampering",
    behaviour="tampering with monitoring",
    level="high",
    technique="T1529",
    title="Kernel's emergency keys used",
    description=(
        "Something is written to /proc/sysrq-trigger: it can kill all processes or reboot at once, without "
        "any log."
    ),
    false_positives="A hung machine rebooted by an operator.",
    examples=("echo b > /proc/sysrq-trigger",),
    match=_machine,
    files=True,
    hints=("sysrq-trigger",),
)
OPEN_RIGHTS = Rule(
    slug="system-files-opened",
    version=1,
    family="tampering",
    behaviour="tampering with monitoring",
    level="medium",
    technique="T1222.002",
    title="System files made writable for everybody",
    description="chmod opens system files or folders to every user.",
    false_positives="Careless set-up scripts.",
    examples=("chmod 777 /etc/passwd", "chmod -R a+w /usr/bin"),
    match=_open_rights,
    programs=frozenset({"chmod"}),
)
EVERYTHING = Rule(
    slug="everything-removed",
    version=1,
    family="tampering",
    behaviour="destruction",
    level="critical",
    technique="T1485",
    title="Whole file system removed",
    description="rm is told to remove everything from the root on.",
    false_positives="Throw-away containers.",
    examples=("rm -rf / --no-preserve-root", "sudo rm -fr /*"),
    match=_everything,
    programs=frozenset({"rm"}),
)
DISGUISE = Rule(
    slug="shell-renamed",
    version=1,
    family="tampering",
    behaviour="wiping traces",
    level="medium",
    technique="T1036.003",
    title="Shell or tool copied under another name",
    description="A shell, interpreter or network client of the system is copied to a file with another name.",
    false_positives="Building a minimal root folder with renamed tools.",
    examples=("cp /bin/sh /home/u/.cache/crond", "cp /usr/bin/python3 /work/trainer"),
    match=_disguise,
    programs=frozenset({"cp", "mv", "install"}),
    hints=("bin/",),
)
RULES = (EVERYTHING, DISGUISE, LOGS, JOURNAL, HISTORY, ATTRIBUTES, TIMES, MACHINE, OPEN_RIGHTS)
