"""Files that the system runs by itself, written to."""

import re

from apps.detection.argv.invocation import Invocation
from apps.detection.rules.base import Detail, Rule
from apps.detection.rules.files import writes, written_text

_CRON = re.compile(r"^/etc/(?:cron\.?|anacrontab)|^/var/spool/cron|^/etc/at\.|^/var/spool/at")
_START = re.compile(
    r"^/etc/(?:rc\.local|rc\d?\.d/|init\.d/|inittab|profile$|profile\.d/|bash\.bashrc|bashrc|zsh/|zprofile|update-motd\.d/|modules-load\.d|xdg/autostart"
    r"|udev/rules\.d|ssh/sshrc|environment$|apt/apt\.conf\.d|dnf/plugins|NetworkManager/dispatcher\.d|modprobe\.d|rc\.d/)"
    r"|^/(?:etc|lib|usr/lib|run)/systemd/(?:system|user)/[\w.@*$/-]{1,120}|\.config/(?:systemd/user|autostart)/|\.ssh/rc$|/usercustomize\.py$|/sitecustomize\.py$"
    r"|site-packages[\"']?/?[\w.$-]{1,80}\.pth$|(?:PACKAGES|SITE)\w{0,20}/[\w.-]{1,60}\.pth$|/etc/python[\d.]{0,6}/"
)
_PROFILE = re.compile(
    r"\.(?:bashrc|bash_profile|bash_login|bash_logout|profile|zshrc|zprofile|zlogin|zshenv|cshrc|kshrc|vimrc|xinitrc|xprofile)$|/config\.fish$"
)
_IDENTITY = re.compile(
    r"^/etc/(?:passwd|shadow|group|gshadow|sudoers(?:\.d/.{1,80})?|security/.{1,40}|pam\.d/.{1,60}|pam\.conf|nsswitch\.conf|ssh/sshd_config(?:\.d/.{1,60})?)$"
)
_LOADER = re.compile(r"^/etc/ld\.so\.(?:preload|conf(?:\.d/.{1,80})?)$")
_RUNS = (
    "/tmp/", "/dev/shm", "/var/tmp",  # noqa: S108 - looked for, not used
    "nc ", "curl ", "wget ", "bash -i", "/dev/tcp", "nohup", "python -c",
    "python3 -c", "base64", "ssh -", "socat", " &", "exec ", "trap ", "alias sudo", "alias ssh", "setsid",
    "crontab", "ld_preload", "while ",
)  # fmt: skip


def _hit(invocation: Invocation, pattern: re.Pattern[str]) -> str:
    return next((path for path in writes(invocation) if pattern.search(path)), "")


def _cron(invocation: Invocation) -> Detail | None:
    path = _hit(invocation, _CRON)
    return {"path": path, "text": written_text(invocation)} if path else None


def _start(invocation: Invocation) -> Detail | None:
    path = _hit(invocation, _START)
    return {"path": path, "text": written_text(invocation)} if path else None


def _profile(invocation: Invocation) -> Detail | None:
    path = _hit(invocation, _PROFILE)
    text = written_text(invocation).lower()
    return {"path": path, "text": text} if path and any(sign in text for sign in _RUNS) else None


def _identity(invocation: Invocation) -> Detail | None:
    path = _hit(invocation, _IDENTITY)
    return {"path": path, "text": written_text(invocation)} if path else None


def _loader(invocation: Invocation) -> Detail | None:
    path = _hit(invocation, _LOADER)
    if path.endswith(".preload"):
        return {"path": path, "text": written_text(invocation)}
    preload = invocation.assigns.get("LD_PRELOAD", "") or invocation.assigns.get("LD_AUDIT", "")
    odd = preload.lstrip("'\"").startswith(("/tmp/", "/dev/shm/", "/var/tmp/", "./", "$PWD", "../"))  # noqa: S108
    return {"variable": "LD_PRELOAD", "value": preload} if odd else None


def _keys(invocation: Invocation) -> Detail | None:
    path = next((p for p in writes(invocation) if "authorized_keys" in p), "")
    return {"path": path, "text": written_text(invocation)} if path else None


CRON = Rule(
    slug="cron-file-written",
    version=1,
    family="persistence",
    behaviour="persistence",
    level="high",
    technique="T1053.003",
    title="Scheduled job written",
    description=(
        "A file that the scheduler reads is written: it brings a program back after it was stopped."
    ),
    false_positives="Set-up of a host by an operator.",
    examples=(
        "echo '* * * * * root /tmp/x' > /etc/cron.d/x",
        "echo '@reboot /tmp/x' | tee -a /var/spool/cron/crontabs/root",
    ),
    match=_cron,
    files=True,
    hints=("cron", "/etc/at.", "spool/at"),
)  # fmt: skip
START = Rule(
    slug="start-file-written",
    version=1,
    family="persistence",
    behaviour="persistence",
    level="high",
    technique="T1543.002",
    title="Start-up file written",
    description="A service unit, start script, login script or interpreter start file is written.",
    false_positives="Installation of software by an operator.",
    examples=(
        "cat > /etc/systemd/system/x.service <<E\n[Service]\nExecStart=/tmp/x\nE",
        "echo '/tmp/x &' >> /etc/rc.local",
    ),
    match=_start,
    files=True,
    hints=("/etc/", "systemd", "autostart", ".ssh/rc", "customize.py", ".pth"),
)  # fmt: skip
PROFILE = Rule(
    slug="profile-command-written",
    version=1,
    family="persistence",
    behaviour="persistence",
    level="medium",
    technique="T1546.004",
    title="Command put into a login file",
    description=(
        "A user's shell start file gets a line that starts something; setting a path or a variable does "
        "not match."
    ),
    false_positives="Installers that start an agent at login.",
    examples=("echo 'nohup /tmp/.x/m >/dev/null 2>&1 &' >> ~/.bashrc",),
    match=_profile,
    files=True,
    hints=(
        "bashrc", "profile", "bash_log", "zsh", "zlogin", "zprofile", "cshrc", "kshrc", "vimrc", "xinitrc",
        "config.fish",
    ),
)  # fmt: skip
IDENTITY = Rule(
    slug="identity-file-written",
    version=1,
    family="persistence",
    behaviour="persistence",
    level="high",
    technique="T1548.003",
    title="Accounts or rights edited by hand",
    description="passwd, shadow, sudoers, PAM or the SSH server's settings are written directly.",
    false_positives="Image builds and configuration management.",
    examples=(
        "echo 'u ALL=(ALL) NOPASSWD:ALL' >> /etc/sudoers", "echo 'x::0:0::/root:/bin/bash' >> /etc/passwd",
    ),
    match=_identity,
    files=True,
    hints=(
        "/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "sudoers", "/etc/security", "/etc/pam",
        "nsswitch", "sshd_config",
    ),
)  # fmt: skip
LOADER = Rule(
    slug="loader-hijacked",
    version=1,
    family="persistence",
    behaviour="persistence",
    level="high",
    technique="T1574.006",
    title="Library forced into programs",
    description=(
        "ld.so.preload is written, or a program is started with a library from a scratch folder preloaded. "
        "Allocators preloaded from the system's folders do not match."
    ),
    false_positives="Development of such a library.",
    examples=("echo /tmp/x.so > /etc/ld.so.preload", "LD_PRELOAD=/tmp/x.so ls"),
    match=_loader,
    files=True,
    hints=("ld.so", "ld_preload", "ld_audit"),
)
KEYS = Rule(
    slug="ssh-key-planted",
    version=1,
    family="persistence",
    behaviour="persistence",
    level="high",
    technique="T1098.004",
    title="SSH key added",
    description="An authorized_keys file is written: whoever holds the key may come back.",
    false_positives="Set-up of an account by an operator.",
    examples=("echo 'ssh-ed25519 AAAAC3 x' >> ~/.ssh/authorized_keys",),
    match=_keys,
    files=True,
    hints=("authorized_keys",),
)
RULES = (CRON, START, PROFILE, IDENTITY, LOADER, KEYS)
