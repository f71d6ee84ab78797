"""Which hosts the alerts of others speak of: known ones by name or address, others as what they are called.

A host that only an alert has named has no host agent, so the fleet shows it as one that nobody watches.
"""

from collections.abc import Sequence
from typing import NamedTuple

from apps.core.bulk import rows
from apps.core.text import storable
from apps.fleet.models import Host

MOST = 200  # hosts that only alerts know
OTHERS = "unknown hosts"


class Named(NamedTuple):
    """What an alert says of its host, likeliest first."""

    names: tuple[str, ...]
    addresses: tuple[str, ...]


# An address that several hosts have (that of a bridge for containers) names none of them.
BY_ADDRESS = """
SELECT address, min(host_id)
  FROM fleet_hostagent, jsonb_array_elements_text(addresses) AS address
 WHERE state = 'active' AND address = ANY(%s) GROUP BY address HAVING count(DISTINCT host_id) = 1
"""


def watched_hosts(wanted: Sequence[Named]) -> list[int | None]:
    """The host of each by an address of its interfaces or its name; None where nobody is known."""
    addresses = sorted({address for one in wanted for address in one.addresses})
    by_address = dict(rows(BY_ADDRESS, [addresses])) if addresses else {}
    names = {name for one in wanted for told in one.names for name in _spellings(told)}
    by_name = dict(Host.objects.filter(name__in=names).values_list("name", "pk")) if names else {}
    return [_first(one, by_address, by_name) for one in wanted]


def stranger(one: Named) -> int:
    """The host that stands for one that nobody knows; there are `MOST` of them, and one for all others."""
    called = next(iter((*one.names, *one.addresses)), "")
    name = storable(called.strip(), limit=120) or OTHERS
    known = Host.objects.filter(name=name).values_list("pk", flat=True).first()
    if known is not None:
        return known
    if Host.objects.filter(machine_id="", agents=None).count() >= MOST:
        name = OTHERS
    return Host.objects.get_or_create(name=name, defaults={"machine_id": ""})[0].pk


def _first(one: Named, by_address: dict[str, int], by_name: dict[str, int]) -> int | None:
    found = [by_address.get(address) for address in one.addresses]
    found += [by_name.get(name) for told in one.names for name in _spellings(told)]
    return next((host for host in found if host is not None), None)


def _spellings(name: str) -> list[str]:
    """As it is told; in small letters; and without its domain."""
    low = storable(name.strip().lower(), limit=120)
    return [storable(name.strip(), limit=120), low, low.partition(".")[0]]
