"""Ways out of a container, or up to root, through the kernel's own files and calls."""

import re

from apps.detection.argv import getopt
from apps.detection.argv.invocation import Invocation
from apps.detection.rules.base import Detail, Rule
from apps.detection.rules.files import writes

_LEVERS = re.compile(
    r"/release_agent$|/notify_on_release$|/proc/sys/kernel/(?:core_pattern|modprobe|hotplug|usermodehelper)|/sys/kernel/uevent_helper"
    r"|/proc/sys/fs/binfmt_misc/|/proc/1/root|/proc/\d{1,7}/root/|/sys/kernel/security/apparmor|/proc/[^/]{1,40}/attr/|/sys/fs/cgroup/.{0,120}devices\.allow"
    r"|/proc/[^/]{1,40}/(?:uid_map|gid_map|setgroups)$"
)
_HOST_ROOTS = (
    "/host", "/hostfs", "/hostroot", "/host-root", "/proc/1/root", "/rootfs", "/noderoot", "/node",
    "/mnt/host", "/mnt/root",
)  # fmt: skip
_BITS = re.compile(r"^(?:[ugoa]{0,4}\+[rwxXt]{0,4}s[rwxst]{0,4}|0?[4267][0-7]{3})(?:,|$)")
_CAPABILITIES = (
    "cap_setuid", "cap_setgid", "cap_sys_admin", "cap_sys_ptrace", "cap_dac_override",
    "cap_dac_read_search", "cap_sys_module", "cap_chown", "cap_fowner", "all=", "=ep", "=eip",
    "cap_sys_rawio", "cap_setfcap",
)  # fmt: skip


def _namespaces(invocation: Invocation) -> Detail | None:
    args = invocation.args
    target = getopt(args, "t:S:G:", frozenset({"--target"}), permute=False).value("t", "--target")
    through = next((word for word in args if "/proc/1/ns" in word or "/host/proc/" in word), "")
    return {"target": target or through, "arguments": " ".join(args)} if target == "1" or through else None


def _lever(invocation: Invocation) -> Detail | None:
    for path in writes(invocation):
        if match := _LEVERS.search(path):
            return {"program": invocation.program, "path": path, "lever": match.group()}
    quoting = invocation.program in ("echo", "printf", "grep", "git", "rg")
    through = next((w for w in invocation.args if w.startswith("/proc/1/root") and not quoting), "")
    overlay = invocation.program == "sed" and any("perdir=" in word for word in invocation.args)
    if overlay:  # where the container's files lie on the host: the release_agent escape needs that path
        through = next(
            (w for w in invocation.args if w in ("/etc/mtab", "/proc/mounts", "/proc/self/mounts")), ""
        )
    return {"program": invocation.program, "path": through} if through else None


def _own_namespaces(invocation: Invocation) -> Detail | None:
    """A user and a cgroup namespace of one's own: inside, a cgroup can be mounted writable."""
    options = getopt(invocation.args, "S:G:R:w:", permute=False)
    user, cgroup = options.has("U", "r", "--user", "--map-root-user"), options.has("C", "--cgroup")
    return {"arguments": " ".join(invocation.args)} if user and cgroup else None


def _setting(invocation: Invocation) -> Detail | None:
    key = next(
        (
            word
            for word in invocation.args
            if word.startswith(("kernel.core_pattern=", "kernel.modprobe=", "kernel.hotplug="))
        ),
        "",
    )
    return {"setting": key} if key else None


def _root_change(invocation: Invocation) -> Detail | None:
    operand = next((word for word in invocation.args if word[:1] != "-"), "").rstrip("/")
    return {"root": operand} if operand in _HOST_ROOTS else None


def _mount(invocation: Invocation) -> Detail | None:
    """A cgroup v1 hierarchy mounted by hand, or a process folder covered by a mount."""
    args = invocation.args
    options = getopt(args, "t:o:L:U:O:", frozenset({"--types", "--options"}))
    kind = options.value("t", "--types")
    if kind == "cgroup" and options.value("o", "--options").split(",")[0] in (
        "memory",
        "rdma",
        "cpu",
        "pids",
        "devices",
        "blkio",
        "freezer",
        "net_cls",
        "cpuset",
    ):
        return {"kind": "cgroup", "arguments": " ".join(args)}
    covers = (
        options.rest
        and re.match(r"/proc/(?:\d|\$)", options.rest[-1])
        and (options.has("B", "--bind", "--rbind") or "bind" in options.value("o"))
    )
    return {"kind": "hides a process", "path": options.rest[-1]} if covers else None


def _raw_disk(invocation: Invocation) -> Detail | None:
    args = invocation.args
    if invocation.program == "mknod":
        major = [word for word in args if word.isdigit()]
        return {"device": " ".join(args)} if "b" in args and len(major) >= 2 else None
    command = getopt(args, "R:f:d:s:D:", permute=True).value("R")
    return (
        {"device": " ".join(args), "command": command}
        if command.split(" ")[0] in ("cat", "dump", "rdump", "write", "ls")
        else None
    )


def _privilege_bits(invocation: Invocation) -> Detail | None:
    if invocation.program == "setcap":
        given = next((word for word in invocation.args if any(c in word.lower() for c in _CAPABILITIES)), "")
        net_only = given and all(
            part.startswith(("cap_net", "'cap_net")) for part in given.lower().split(",")
        )
        return {"capability": given, "file": invocation.args[-1]} if given and not net_only else None
    mode = next((word for word in invocation.args if word[:1] != "-" and _BITS.match(word)), "")
    setuid = "s" in mode.split("=")[0] or (
        mode.lstrip("0")[:1] in ("4", "6", "7") and len(mode.lstrip("0")) == 4
    )
    group_only = mode.startswith(("g+", "+t")) or "-d" in invocation.args
    return {"mode": mode, "file": invocation.args[-1]} if mode and setuid and not group_only else None


def _module(invocation: Invocation) -> Detail | None:
    file = next((word for word in invocation.args if word.endswith((".ko", ".ko.xz", ".o"))), "")
    odd = file.startswith(("/tmp", "./", "../", "/dev/shm", "/var/tmp", "/home", "~")) or "/" not in file  # noqa: S108
    return {"module": file} if file and odd else None


NAMESPACES = Rule(
    slug="host-namespaces",
    version=1,
    family="escape",
    behaviour="container escape",
    level="critical",
    technique="T1611",
    title="Namespaces of process 1 entered",
    description="nsenter into process 1: from a container with the host's processes that is the host itself.",
    false_positives="Node shells of cluster operators.",
    examples=("nsenter -t 1 -m -u -i -n -p -- bash", "nsenter --mount=/proc/1/ns/mnt sh"),
    match=_namespaces,
    programs=frozenset({"nsenter"}),
)
OWN_NAMESPACES = Rule(
    slug="own-cgroup-namespace",
    version=1,
    family="escape",
    behaviour="container escape",
    level="high",
    technique="T1611",
    title="User and cgroup namespace made",
    description="unshare makes a user and a cgroup namespace together: the start of the cgroup escapes.",
    false_positives="Container tools without root.",
    examples=("unshare -UrmC bash",),
    match=_own_namespaces,
    programs=frozenset({"unshare"}),
)
LEVER = Rule(
    slug="kernel-lever",
    version=1,
    family="escape",
    behaviour="container escape",
    level="critical",
    technique="T1611",
    title="Kernel file that starts programs on the host",
    description=(
        "Something is written to release_agent, core_pattern, uevent_helper or the like, or the host's "
        "root is reached through process 1: the classic ways out of a container."
    ),
    false_positives="core_pattern set by crash reporters on the host.",
    examples=(
        "echo '|/tmp/x' > /proc/sys/kernel/core_pattern", "echo $P/cmd > /tmp/cg/release_agent",
        "cat /proc/1/root/etc/hostname",
    ),
    match=_lever,
    files=True,
    hints=(
        "perdir=", "release", "core_pattern", "uevent_helper", "binfmt_misc", "/proc/1/root", "/root/",
        "kernel/modprobe", "hotplug", "apparmor", "/attr/", "devices.allow", "_map", "setgroups",
        "usermodehelper",
    ),
)  # fmt: skip
SETTING = Rule(
    slug="kernel-lever-setting",
    version=1,
    family="escape",
    behaviour="container escape",
    level="critical",
    technique="T1611",
    title="Kernel setting that starts programs on the host",
    description="sysctl sets core_pattern or the module loader's path.",
    false_positives="Crash reporters on the host.",
    examples=("sysctl -w kernel.core_pattern='|/tmp/x'",),
    match=_setting,
    programs=frozenset({"sysctl"}),
)
ROOT_CHANGE = Rule(
    slug="chroot-to-host",
    version=1,
    family="escape",
    behaviour="container escape",
    level="critical",
    technique="T1611",
    title="Change into the host's root",
    description="chroot into a folder where a host's root is commonly mounted.",
    false_positives="Node maintenance by an operator.",
    examples=("chroot /host bash", "chroot /proc/1/root sh"),
    match=_root_change,
    programs=frozenset({"chroot"}),
)
MOUNT = Rule(
    slug="escape-mount",
    version=1,
    family="escape",
    behaviour="container escape",
    level="critical",
    technique="T1611",
    title="Mount that serves an escape",
    description=(
        "A cgroup controller mounted by hand (the first step of the release_agent escape), or a mount over "
        "a process's folder, which hides that process."
    ),
    false_positives="Old init scripts.",
    examples=("mount -t cgroup -o rdma cgroup /tmp/cg", "mount -B /proc/1 /proc/4242"),
    match=_mount,
    programs=frozenset({"mount"}),
)
RAW_DISK = Rule(
    slug="raw-disk",
    version=1,
    family="escape",
    behaviour="container escape",
    level="high",
    technique="T1006",
    title="Disk read past the file system",
    description="A block device node is made, or debugfs reads files straight from a disk.",
    false_positives="File system repair.",
    examples=("mknod /tmp/d b 8 0", "debugfs -R 'cat /etc/shadow' /dev/sda1"),
    match=_raw_disk,
    programs=frozenset({"mknod", "debugfs"}),
)
BITS = Rule(
    slug="privilege-bits",
    version=1,
    family="escape",
    behaviour="privilege escalation",
    level="high",
    technique="T1548.001",
    title="File given root's rights",
    description="A file gets the set-user-id bit or a capability that amounts to root.",
    false_positives="Package scripts.",
    examples=("chmod u+s /tmp/sh", "chmod 4755 /tmp/x", "setcap cap_setuid+ep /tmp/python3"),
    match=_privilege_bits,
    programs=frozenset({"chmod", "setcap"}),
)
MODULE = Rule(
    slug="loose-kernel-module",
    version=1,
    family="escape",
    behaviour="privilege escalation",
    level="high",
    technique="T1547.006",
    title="Kernel module from a loose file",
    description="A module is loaded from a scratch or home folder: code in the kernel answers to nobody.",
    false_positives="Driver development.",
    examples=("insmod ./rk.ko", "sudo insmod /tmp/diamorphine.ko"),
    match=_module,
    programs=frozenset({"insmod"}),
)
RULES = (NAMESPACES, OWN_NAMESPACES, LEVER, SETTING, ROOT_CHANGE, MOUNT, RAW_DISK, BITS, MODULE)
