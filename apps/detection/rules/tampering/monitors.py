"""Blinding those who watch: security services, audit, firewalls, and Sentinel itself."""

import re

from apps.detection.argv import getopt
from apps.detection.argv.invocation import Invocation
from apps.detection.argv.names import names
from apps.detection.rules.base import Detail, Rule
from apps.detection.rules.files import removes, writes

_WATCHERS = (
    "auditd", "auditbeat", "rsyslog", "syslog", "journald", "falco", "osquery", "wazuh", "ossec",
    "falcon-sensor", "crowdstrike", "elastic-agent", "elastic-endpoint", "elastic_agent", "filebeat",
    "packetbeat", "metricbeat", "suricata", "snort", "zeek", "sysmon", "tetragon", "tracee", "sysdig",
    "kubearmor", "clamav", "clamd", "freshclam", "rkhunter", "chkrootkit", "tripwire", "aide", "samhain",
    "fail2ban", "apparmor", "firewalld", "ufw", "iptables", "ip6tables", "nftables", "mdatp", "sentinelone",
    "s1-agent", "cbdaemon", "cbagentd", "carbonblack", "sophos", "esets", "symantec", "mcafee", "qualys",
    "nessus", "tanium", "cybereason", "trendmicro", "ds_agent", "xagt", "taniumclient", "node_exporter",
    "dcgm-exporter", "prometheus", "collectd", "telegraf", "datadog", "newrelic", "amazon-ssm-agent",
    "google-cloud-ops-agent", "aliyundun", "aliyun.service", "aegis", "cloudmonitor", "bcm-agent", "qcloud",
    "yunjing", "splunk", "nxlog", "fluentd", "fluent-bit", "td-agent", "promtail", "vector", "selinux",
    "acct", "psacct", "sentinel", "hostagent", "velociraptor", "arpwatch", "limacharlie", "lacework",
    "aqua-enforcer", "twistlock", "uptycs", "vmtoolsd-audit", "auoms", "omsagent", "mdsd",
)  # fmt: skip
_STOPS = frozenset({"stop", "disable", "mask", "kill", "off", "del", "remove"})
_OWN = re.compile(r"(?:^|[/\s_-])sentinel(?:[-_]?(?:hostagent|agent|host-agent))?(?:[.\s/*]|$)|hostagent")
_CONFIGURATION = re.compile(
    r"^/etc/(?:audit|audisp|libaudit|rsyslog|syslog|selinux|apparmor|falco|osquery|wazuh|suricata|filebeat|auditbeat|logrotate|fluent|firewalld|ufw|sentinel)"
    r"|/journald\.conf|/proc/sys/kernel/(?:randomize_va_space|yama/|kptr_restrict|dmesg_restrict|sysrq$)|/selinux/enforce|/var/ossec/|/etc/systemd/journald|/etc/security/limits|/etc/hosts\.(?:allow|deny)"
)


def watcher(name: str) -> str:
    """The watching service a unit or process name belongs to, or nothing."""
    lowered = name.lower().removesuffix(".service").removeprefix("systemd-").rpartition("/")[2]
    return next(
        (
            w
            for w in _WATCHERS
            if lowered == w
            or lowered.startswith((w + "-", w + "d", w + "_", w + "@", w + "."))
            or lowered == w + "d"
        ),
        "",
    )


def _service(invocation: Invocation) -> Detail | None:
    words = [word for word in invocation.args if word[:1] != "-"]
    if invocation.program == "systemctl":
        verbs, units = words[:1], words[1:]
    else:  # service NAME stop, chkconfig NAME off, update-rc.d NAME remove, ...
        verbs, units = ["stop", *words] if invocation.program == "stop" else words, words
    stops = sorted(_STOPS.intersection(verbs))
    hit = next((unit for unit in units if unit not in stops and watcher(unit)), "")
    return {"service": hit, "action": stops[0]} if stops and hit else None


def _init_script(invocation: Invocation) -> Detail | None:
    if not invocation.argv or not invocation.argv[0].startswith(("/etc/init.d/", "/etc/rc.d/")):
        return None
    hit = watcher(invocation.argv[0])
    return {"service": hit, "action": "stop"} if hit and invocation.args[:1] == ("stop",) else None


def _kill(invocation: Invocation) -> Detail | None:
    values = [word for word in invocation.args if word[:1] != "-"]
    hit = next((v for v in values if watcher(v.strip("^$[]").replace("[", "").replace("]", ""))), "")
    if not hit and invocation.program == "kill":  # kill $(pidof NAME), kill $(cat /run/NAME.pid)
        looked_up = [v for v in values if "pidof" in v or "pgrep" in v or "/run/" in v]
        hit = next((v for v in looked_up if any(name in v for name in _WATCHERS)), "")
    return {"process": hit} if hit else None


def _removed(invocation: Invocation) -> Detail | None:
    words = [word for word in invocation.args if word[:1] != "-"]
    flags = {word for word in invocation.args if word[:1] == "-"}
    asked = words[:1] in (["remove"], ["purge"], ["erase"], ["autoremove"], ["del"]) or flags & {
        "-r",
        "-P",
        "-e",
        "--purge",
    }
    hit = next((word for word in words[0 if flags & {"-r", "-P", "-e"} else 1 :] if watcher(word)), "")
    return {"package": hit} if asked and hit else None


def _audit(invocation: Invocation) -> Detail | None:
    options = getopt(invocation.args, "a:A:d:e:f:b:F:S:k:r:R:w:W:p:")
    if options.has("D", "d", "W") or options.value("e") == "0":
        return {"arguments": " ".join(invocation.args)}
    watched = options.value("F") + options.value("S")
    return (
        {"arguments": " ".join(invocation.args)}
        if options.has("a") and "never" in options.value("a") and watched
        else None
    )


def _firewall(invocation: Invocation) -> Detail | None:
    args, program = invocation.args, invocation.program
    words = [word for word in args if word[:1] != "-"]
    if program == "ufw":
        off = (
            words[:1] in (["disable"], ["reset"])
            or words[:2] == ["logging", "off"]
            or words[:3] == ["default", "allow", "incoming"]
        )
    elif program == "nft":
        off = words[:2] in (["flush", "ruleset"], ["delete", "table"])
    elif program == "firewall-cmd":
        off = "--panic-off" in args or any(a.startswith("--set-default-zone=trusted") for a in args)
    else:
        options = getopt(args, "t:A:I:D:j:p:s:d:P:i:o:m:", frozenset({"--table", "--policy"}), permute=True)
        whole = options.has("F", "--flush", "X", "--delete-chain") and not options.rest
        opened = (
            options.has("P", "--policy")
            and "ACCEPT" in args
            and any(c in args for c in ("INPUT", "FORWARD", "OUTPUT"))
        )
        off = whole or opened
    return {"program": program, "arguments": " ".join(args)} if off else None


def _confinement(invocation: Invocation) -> Detail | None:
    program, args = invocation.program, invocation.args
    if program == "setenforce":
        off = args[:1] in (("0",), ("permissive",), ("Permissive",))
    elif program == "apparmor_parser":
        off = any(word in ("-R", "--remove") for word in args)
    elif program == "sysctl":
        off = any(
            word.replace(" ", "")
            in ("kernel.randomize_va_space=0", "kernel.kptr_restrict=0", "kernel.dmesg_restrict=0")
            for word in args
        )
    else:
        off = bool(args) or program == "aa-teardown"
    return {"program": program, "arguments": " ".join(args)} if off and "--help" not in args else None


def _configuration(invocation: Invocation) -> Detail | None:
    """Settings of a watcher edited, replaced or removed."""
    for path in (*writes(invocation), *removes(invocation)):
        if _CONFIGURATION.search(path):
            return {"program": invocation.program, "path": path}
    moved = invocation.program == "mv" and next((w for w in invocation.args if _CONFIGURATION.search(w)), "")
    return {"program": "mv", "path": moved} if moved else None


def _marker(invocation: Invocation) -> Detail | None:
    """Sentinel's marker taken out of the environment."""
    names = getopt(invocation.args, "u:C:S:", frozenset({"--unset"}), permute=False)
    given = names.values("u", "--unset") if invocation.program == "env" else invocation.args
    return {"action": "marker unset"} if "SENTINEL_RUN" in given else None


def _ourselves(invocation: Invocation) -> Detail | None:
    """Sentinel's marker replaced, its files removed or overwritten."""
    program = invocation.program
    if "SENTINEL_RUN" in invocation.assigns and program not in ("export", "declare", ""):
        return {"action": "marker replaced", "value": invocation.assigns["SENTINEL_RUN"]}
    changed = removes(invocation)
    if invocation.zone == "run":  # on the host, whoever installs or upgrades the agent writes these
        changed += writes(invocation)
    hit = next((p for p in changed if p[:1] in "/~" and ".old" not in p and _OWN.search(p.lower())), "")
    return {"action": "files changed", "path": hit} if hit else None


def _cgroup(invocation: Invocation) -> Detail | None:
    path = next(
        (
            path
            for path in writes(invocation)
            if path.endswith(("/cgroup.procs", "/tasks", "/cgroup.freeze", "/cgroup.threads"))
            and "cgroup" in path
        ),
        "",
    )
    return {"path": path, "written": " ".join(invocation.args)} if path else None


SERVICE = Rule(
    slug="watcher-stopped",
    version=1,
    family="tampering",
    behaviour="tampering with monitoring",
    level="high",
    technique="T1685",
    title="Security service stopped",
    description="A service that logs, audits, filters or watches is stopped, disabled or masked.",
    false_positives="Maintenance by an operator.",
    examples=(
        "systemctl stop auditd", "sudo service rsyslog stop", "systemctl disable --now falco",
        "chkconfig auditd off",
    ),
    match=_service,
    programs=names(
        """
        systemctl service chkconfig update-rc.d rc-update rc-service initctl invoke-rc.d sv stop
        """
    ),
)  # fmt: skip
REMOVED = Rule(
    slug="watcher-uninstalled",
    version=1,
    family="tampering",
    behaviour="tampering with monitoring",
    level="high",
    technique="T1685",
    title="Security service uninstalled",
    description="The package of a service that logs, audits, filters or watches is removed.",
    false_positives="Maintenance by an operator.",
    examples=("apt-get remove -y auditd", "rpm -e falco"),
    match=_removed,
    programs=frozenset({"apt", "apt-get", "yum", "dnf", "dpkg", "rpm", "apk", "zypper"}),
    hints=("remove", "purge", "erase", " del ", " -r ", " -e ", " -p "),
)
INIT = Rule(
    slug="watcher-stopped-by-script",
    version=1,
    family="tampering",
    behaviour="tampering with monitoring",
    level="high",
    technique="T1685",
    title="Security service stopped by its start script",
    description="A start script of a watching service is called with stop.",
    false_positives="Maintenance by an operator.",
    examples=("/etc/init.d/auditd stop",),
    match=_init_script,
    hints=("/etc/init.d/", "/etc/rc.d/"),
)
KILL = Rule(
    slug="watcher-killed",
    version=1,
    family="tampering",
    behaviour="tampering with monitoring",
    level="high",
    technique="T1685",
    title="Security service killed",
    description="A process that logs, audits, filters or watches is killed by name.",
    false_positives="Maintenance by an operator.",
    examples=("pkill -9 -f hostagent", "killall falco", "kill -9 $(pidof auditd)"),
    match=_kill,
    programs=frozenset({"pkill", "killall", "kill", "skill"}),
)
AUDIT = Rule(
    slug="audit-rules-removed",
    version=1,
    family="tampering",
    behaviour="tampering with monitoring",
    level="high",
    technique="T1685.004",
    title="Audit rules removed",
    description="auditctl deletes rules, stops auditing, or excludes calls from it.",
    false_positives="Configuration management that reloads all rules.",
    examples=("auditctl -D", "auditctl -e 0"),
    match=_audit,
    programs=frozenset({"auditctl"}),
)
FIREWALL = Rule(
    slug="firewall-disabled",
    version=1,
    family="tampering",
    behaviour="tampering with monitoring",
    level="high",
    technique="T1686",
    title="Firewall switched off",
    description="All rules are flushed, the default becomes accept, or the firewall or its log is disabled.",
    false_positives="Network set-up by an operator.",
    examples=("iptables -F", "ufw disable", "nft flush ruleset", "iptables -P INPUT ACCEPT"),
    match=_firewall,
    programs=frozenset({"iptables", "ip6tables", "ufw", "nft", "firewall-cmd", "iptables-legacy"}),
)
CONFINEMENT = Rule(
    slug="confinement-disabled",
    version=1,
    family="tampering",
    behaviour="tampering with monitoring",
    level="high",
    technique="T1685",
    title="Confinement switched off",
    description="SELinux or AppArmor is turned off, or a kernel hardening is removed.",
    false_positives="Set-up scripts of old software.",
    examples=("setenforce 0", "aa-teardown", "sysctl -w kernel.randomize_va_space=0"),
    match=_confinement,
    programs=names(
        """
        setenforce aa-teardown aa-disable aa-complain apparmor_parser sysctl
        """
    ),
)
CONFIGURATION = Rule(
    slug="watcher-reconfigured",
    version=1,
    family="tampering",
    behaviour="tampering with monitoring",
    level="high",
    technique="T1685",
    title="Settings of a security service changed",
    description=(
        "The configuration of an audit, log, filter or watch service is edited, replaced or removed."
    ),
    false_positives="Configuration management.",
    examples=(
        "sed -i 's/Storage=auto/Storage=none/' /etc/systemd/journald.conf", "rm -rf /etc/audit/rules.d",
        "echo -n > /etc/rsyslog.conf",
    ),
    match=_configuration,
    files=True,
    hints=("/etc/", "journald", "ossec", "/proc/sys/kernel/", "/selinux/"),
)  # fmt: skip
MARKER = Rule(
    slug="sentinel-marker-dropped",
    version=1,
    family="tampering",
    behaviour="tampering with monitoring",
    level="critical",
    technique="T1564",
    title="Run's marker dropped",
    description="A run's marker is taken out of the environment: what starts next seems to be nobody's.",
    false_positives="None known.",
    examples=("env -u SENTINEL_RUN python3 w.py", "unset SENTINEL_RUN; ./w"),
    match=_marker,
    programs=frozenset({"env", "unset"}),
    hints=("sentinel_run",),
)
OURSELVES = Rule(
    slug="sentinel-tampering",
    version=1,
    family="tampering",
    behaviour="tampering with monitoring",
    level="critical",
    technique="T1685",
    title="Sentinel tampered with",
    description=(
        "A run's marker is replaced in a program's environment, or files of the host agent are removed "
        "or overwritten."
    ),
    false_positives="An operator removing the host agent.",
    examples=(
        "SENTINEL_RUN=other ./w",
        "rm -rf /var/lib/sentinel-hostagent/",
    ),
    match=_ourselves,
    files=True,
    hints=("sentinel", "hostagent"),
)  # fmt: skip
CGROUP = Rule(
    slug="cgroup-moved",
    version=1,
    family="tampering",
    behaviour="tampering with monitoring",
    level="high",
    technique="T1564",
    title="Process moved to another cgroup",
    description="A process number is written into a cgroup's list: the way out of the run's accounts.",
    false_positives="Container engines and resource tools on the host.",
    examples=("echo $$ > /sys/fs/cgroup/user.slice/cgroup.procs",),
    match=_cgroup,
    files=True,
    hints=("cgroup.procs", "cgroup.freeze", "cgroup.threads", "/tasks"),
)
RULES = (SERVICE, REMOVED, INIT, KILL, AUDIT, FIREWALL, CONFINEMENT, CONFIGURATION, MARKER, OURSELVES, CGROUP)
