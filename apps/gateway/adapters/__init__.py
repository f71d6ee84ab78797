"""Formats of other products' alerts, one file each: bytes in, a bounded list of what they tell out. Pure."""

from collections.abc import Mapping

from apps.gateway.adapters import alertmanager, falco, ocsf, suricata, wazuh
from apps.gateway.adapters.base import Adapter

ADAPTERS: Mapping[str, Adapter] = {
    adapter.name: adapter
    for adapter in (
        alertmanager.ADAPTER,
        falco.ADAPTER,
        ocsf.ADAPTER,
        suricata.ADAPTER,
        wazuh.ADAPTER,
    )
}
"""By the name that stands in the path."""
