"""Ways out of a container through its engine or its cluster."""

import re

from apps.detection.argv import getopt
from apps.detection.argv.invocation import Invocation
from apps.detection.argv.launchers import RUN_LONG, RUN_SHORT
from apps.detection.rules.base import Detail, Rule
from apps.detection.rules.common import first_with

_ROOT_MOUNT = re.compile(
    r"^/:/|^type=bind,(?:.*,)?(?:source|src)=/,|^/(?:etc|root|proc|boot|var/lib/(?:docker|kubelet))/?:/"
)
_HOST_SPACES = (
    "hostpid", "hostnetwork", "hostipc", 'privileged":true', 'privileged": true', "hostpath",
    "privileged: true",
)  # fmt: skip


def _run(invocation: Invocation) -> Detail | None:
    words = invocation.args
    at = next((i for i, word in enumerate(words[:12]) if word in ("run", "create", "exec")), -1)
    if at < 0:
        return None
    options = getopt(words[at + 1 :], RUN_SHORT, RUN_LONG, permute=False)
    mounts = [m for m in options.values("v", "--volume", "--mount") if _ROOT_MOUNT.match(m)]
    privileged = any(name == "--privileged" and value != "false" for name, value in options.given)
    host_pid = "host" in options.values("--pid")
    devices = [
        d
        for d in options.values("--device")
        if d.startswith(("/dev/sd", "/dev/vd", "/dev/nvme", "/dev/xvd", "/dev/mem"))
    ]
    given = {c.upper().removeprefix("CAP_") for c in options.values("--cap-add")}
    mighty = sorted(given & {"ALL", "SYS_MODULE", "DAC_READ_SEARCH", "SYS_RAWIO", "SYS_BOOT"})
    if mounts or (privileged and host_pid) or devices or mighty:
        return {
            "engine": invocation.program,
            "mounts": list(mounts),
            "capabilities": mighty,
            "devices": list(devices),
            "privileged": privileged,
            "host_pid": host_pid,
        }
    return None


def _engine_socket(invocation: Invocation) -> Detail | None:
    """The engine's own door, opened by hand."""
    args = invocation.args
    sock = first_with(args, "docker.sock", "containerd.sock", "crio.sock", "podman.sock")
    if invocation.program == "curl":
        url = first_with(args, "/containers/", "/exec/", "/images/", "/info", "/version", "/json")
        return {"socket": sock, "url": url} if sock and url else None
    given = getopt(args, "H:", frozenset({"--host"}), permute=False).values("H", "--host")
    remote = [g for g in given if g.startswith("tcp://") or "sock" in g]
    if invocation.program in ("socat", "nc"):
        return {"socket": sock} if sock else None
    return {"socket": remote[0], "arguments": " ".join(args)} if remote else None


def _cluster(invocation: Invocation) -> Detail | None:
    text = " ".join(invocation.args).lower()
    words = [word for word in invocation.args if word[:1] != "-"]
    if words[:1] in (["run"], ["create"], ["apply"]) and (
        space := next((s for s in _HOST_SPACES if s in text), "")
    ):
        return {"arguments": " ".join(invocation.args), "sign": space}
    if words[:1] == ["debug"] and len(words) > 1 and words[1].startswith("node/"):
        return {"arguments": " ".join(invocation.args), "sign": "debug node"}
    binds = (
        words[:1] == ["create"]
        and words[1:2] in (["clusterrolebinding"], ["rolebinding"])
        and "cluster-admin" in text
    )
    return {"arguments": " ".join(invocation.args), "sign": "cluster-admin"} if binds else None


def _system_container(invocation: Invocation) -> Detail | None:
    text = " ".join(invocation.args)
    sign = next(
        (s for s in ("security.privileged=true", "source=/ ", "raw.lxc", "--privileged") if s in text + " "),
        "",
    )
    return {"arguments": text, "sign": sign} if sign else None


RUN = Rule(
    slug="container-with-host",
    version=1,
    family="escape",
    behaviour="container escape",
    level="critical",
    technique="T1611",
    title="Container that holds the host",
    description=(
        "A container is started with the host's root folder, its disks, or its processes and all "
        "privileges: whoever is inside is outside. --privileged alone is common in training images and "
        "does not match."
    ),
    false_positives="Monitoring agents installed by an operator.",
    examples=(
        "docker run --rm -it -v /:/host alpine chroot /host sh",
        "docker run --privileged --pid=host -it alpine sh",
    ),
    match=_run,
    programs=frozenset({"docker", "nerdctl", "ctr"}),
    hints=("/:", "=/", "--pid", "--cap-add", "--device", "/etc", "/root", "/proc", "/boot", "/var/lib"),
)  # fmt: skip
ENGINE_SOCKET = Rule(
    slug="container-engine-socket",
    version=1,
    family="escape",
    behaviour="container escape",
    level="high",
    technique="T1610",
    title="Container engine spoken to by hand",
    description=(
        "The engine's socket or TCP port is used directly; from inside a container that starts any other "
        "container."
    ),
    false_positives="Continuous integration with docker-in-docker.",
    examples=(
        "curl --unix-socket /var/run/docker.sock http://localhost/containers/json",
        "docker -H tcp://10.0.0.5:2375 ps",
    ),
    match=_engine_socket,
    programs=frozenset({"curl", "docker", "ctr", "crictl", "socat", "nc"}),
    hints=("sock", "tcp://"),
)  # fmt: skip
CLUSTER = Rule(
    slug="cluster-escalation",
    version=1,
    family="escape",
    behaviour="container escape",
    level="critical",
    technique="T1611",
    title="Pod that holds its node",
    description=(
        "kubectl starts something with the node's processes, paths or all privileges, debugs a node, or "
        "binds cluster-admin."
    ),
    false_positives="Cluster operators.",
    examples=(
        'kubectl run r --rm -it --image=alpine --overrides=\'{"spec":{"hostPID":true}}\' -- nsenter -t 1 '
        "-m sh",
        "kubectl debug node/gpu-7 -it --image=busybox",
    ),
    match=_cluster,
    programs=frozenset({"kubectl", "oc"}),
)
SYSTEM = Rule(
    slug="system-container-with-host",
    version=1,
    family="escape",
    behaviour="container escape",
    level="critical",
    technique="T1611",
    title="System container that holds the host",
    description="lxc or incus with all privileges or the host's root folder.",
    false_positives="Laboratory machines.",
    examples=(
        "lxc init alpine c -c security.privileged=true",
        "lxc config device add c d disk source=/ path=/mnt/root",
    ),
    match=_system_container,
    programs=frozenset({"lxc", "incus", "ctr"}),
)  # fmt: skip
RULES = (RUN, ENGINE_SOCKET, CLUSTER, SYSTEM)
