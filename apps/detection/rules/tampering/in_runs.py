"""What an operator may do every day and a training run may not: judged where a process of a run does it."""

from apps.detection.argv.invocation import Invocation
from apps.detection.rules.base import PROCESS, Detail, Rule


def _in_run(invocation: Invocation) -> Detail | None:
    if invocation.zone != "run" or {"--help", "--version", "-D"} & set(invocation.args):
        return None
    return {"program": invocation.program, "arguments": " ".join(invocation.args)}


CAPTURE = Rule(
    slug="run-captures-packets",
    version=1,
    family="credentials",
    behaviour="credential access",
    level="high",
    technique="T1040",
    title="Run captures network packets",
    description="A process of a run listens to the network: everything unencrypted passes before it.",
    false_positives="Tests of network code; name the tool in the run's contract.",
    examples=("tcpdump -i any -w c.pcap", "tshark -c 5"),
    match=_in_run,
    on=frozenset({PROCESS}),
    programs=frozenset({"tcpdump", "tshark", "dumpcap", "ngrep", "dsniff", "tcpflow", "ettercap"}),
)
HALT = Rule(
    slug="run-halts-host",
    version=1,
    family="tampering",
    behaviour="destruction",
    level="high",
    technique="T1529",
    title="Run halts or restarts the host",
    description="A process of a run shuts the machine down or restarts it.",
    false_positives="None known.",
    examples=("reboot", "shutdown -h now"),
    match=_in_run,
    on=frozenset({PROCESS}),
    programs=frozenset({"reboot", "shutdown", "halt", "poweroff"}),
)
RULES = (CAPTURE, HALT)
