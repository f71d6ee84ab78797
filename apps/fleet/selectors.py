"""Reads about hosts, host agents and runs."""

from uuid import UUID

from apps.fleet.models import HostAgent


def agent_by_uuid(uuid: UUID) -> HostAgent | None:
    """The host agent of that id with its host, whatever its state."""
    return HostAgent.objects.select_related("host").filter(uuid=uuid).first()
