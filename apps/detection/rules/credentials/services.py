"""Secrets asked from services, and guessed or overheard ones."""

from apps.detection.argv.invocation import Invocation
from apps.detection.reading import Reading
from apps.detection.rules.base import Detail, Rule
from apps.detection.rules.common import MENTIONS, first_with

_METADATA = (
    "169.254.169.254", "169.254.170.2", "100.100.100.200", "metadata.google.internal", "fd00:ec2::254",
    "metadata.azure", "metadata.tencentyun.com", "0xa9fea9fe", "2852039166", "metadata.packet.net",
    "rancher-metadata",
)  # fmt: skip
_LOGGERS = (
    "pam_tty_audit", "pam_exec.so", "log_passwd", "log_password", "xinput test", "logkeys", "xspy",
    "keylog",
)  # fmt: skip


def _metadata(invocation: Invocation) -> Detail | None:
    if invocation.program in MENTIONS:
        return None
    url = first_with((w for w in invocation.args if " " not in w), *_METADATA)
    code = invocation.code if invocation.code and any(m in invocation.code for m in _METADATA) else ""
    return {"program": invocation.program, "url": url, "code": code} if url or code else None


def _cluster(invocation: Invocation) -> Detail | None:
    words = [word for word in invocation.args if word[:1] != "-"]
    if words[:2] == ["config", "view"]:
        return {"arguments": " ".join(invocation.args)} if "--raw" in invocation.args else None
    kinds = {part for word in words[1:3] for part in word.split("/")[0].split(",")}
    return (
        {"arguments": " ".join(invocation.args)}
        if words[:1] in (["get"], ["describe"]) and kinds & {"secret", "secrets"}
        else None
    )


def _guessing(reading: Reading) -> Detail | None:
    """Passwords from a list tried one after the other."""
    for invocation in reading.invocations:
        guesses = invocation.program == "sshpass" or (
            invocation.program in ("su", "sudo") and "-S" in invocation.args
        )
        varies = any("$" in word for word in invocation.args) or (invocation.stdin or "").startswith("$")
        if guesses and invocation.loops and varies:
            return {"program": invocation.program, "arguments": " ".join(invocation.args)}
    return None


def _logger(invocation: Invocation) -> Detail | None:
    if invocation.program in ("logkeys", "xspy"):
        return {"program": invocation.program}
    if invocation.program == "xinput":
        return {"program": "xinput"} if invocation.args[:1] in (("test",), ("test-xi2",)) else None
    text = " ".join(invocation.args) + (invocation.stdin or "")
    written = any("/pam" in r.target for r in invocation.redirects) or invocation.program == "tee"
    found = next((word for word in _LOGGERS[:4] if word in text), "")
    return {"module": found} if written and found else None


METADATA = Rule(
    slug="cloud-metadata",
    version=1,
    family="credentials",
    behaviour="credential access",
    level="high",
    technique="T1552.005",
    title="Cloud metadata service asked",
    description=(
        "A program asks the cloud's metadata address, which hands out the machine's identity to whoever "
        "asks from it."
    ),
    false_positives="Start scripts that read the instance's name or zone: expect them on the host.",
    examples=("curl -s http://169.254.169.254/latest/meta-data/iam/security-credentials/",),
    match=_metadata,
    hints=("169.254.", "100.100.100.200", "metadata", "fd00:ec2", "0xa9fea9fe", "2852039166"),
    gates=("169.254", "metadata", "100.100.", "fd00", "0xa9", "28520"),
)
CLUSTER = Rule(
    slug="cluster-secrets",
    version=1,
    family="credentials",
    behaviour="credential access",
    level="medium",
    technique="T1552.007",
    title="Secrets of a cluster read",
    description="kubectl lists or shows secrets.",
    false_positives="Cluster operators.",
    examples=("kubectl get secrets --all-namespaces -o yaml",),
    match=_cluster,
    programs=frozenset({"kubectl", "oc"}),
)
GUESSING = Rule(
    slug="password-guessing",
    version=1,
    family="credentials",
    behaviour="credential access",
    level="high",
    technique="T1110.001",
    title="Passwords tried in a loop",
    description="A loop gives one password after the other to ssh, su or sudo.",
    false_positives="Provisioning scripts with a list of hosts and passwords.",
    examples=("for p in $(cat w.txt); do sshpass -p $p ssh root@10.0.0.5 id; done",),
    match=_guessing,
    reads="reading",
    programs=frozenset({"sshpass", "su", "sudo"}),
    hints=("for ", "while ", "until "),
)
LOGGER = Rule(
    slug="input-logger",
    version=1,
    family="credentials",
    behaviour="credential access",
    level="high",
    technique="T1056.001",
    title="Keyboard input recorded",
    description="A key logger is started, or a login module that records passwords is set up.",
    false_positives="Session recording required by a site.",
    examples=(
        "echo 'session required pam_tty_audit.so enable=* log_password' >> /etc/pam.d/system-auth",
        "logkeys --start",
    ),
    match=_logger,
    programs=frozenset({"logkeys", "xspy", "xinput", "echo", "tee", "printf", "cat"}),
    hints=_LOGGERS,
)  # fmt: skip
RULES = (METADATA, CLUSTER, GUESSING, LOGGER)
