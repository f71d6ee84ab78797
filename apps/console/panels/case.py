"""One incident while a page about it is made: what several of its fragments need is read once."""

from functools import cached_property

from apps.attribution.choices import Origin
from apps.detection.models import Alert
from apps.fleet.models import Host
from apps.incidents.models import Incident
from apps.incidents.selectors import alerts, queue
from apps.incidents.selectors import join as joins
from apps.incidents.selectors.join import Join
from apps.telemetry.models import Process


class Case:
    """Lazy reads around `incident`."""

    def __init__(self, incident: Incident, *, state: str = "") -> None:
        self.incident = incident
        if state:  # known already: a row of the queue has it
            self.state = state

    @cached_property
    def rows(self) -> list[Alert]:
        """The first and last alerts."""
        return alerts.near(self.incident)

    @cached_property
    def join(self) -> Join:
        """The strongest tie, drawn for its key alert."""
        return joins.of(self.incident, self.rows)

    @cached_property
    def glance(self) -> Join:
        """The same join for a pane that shows nothing else of the alerts: one of them is read."""
        return joins.glance(self.incident)

    @cached_property
    def model_calls(self) -> set[int]:
        """Tool calls from which alerts came by the model's hand; a weak tie to a call is not one of them."""
        found = [current for row in self.rows if (current := alerts.current(row))]
        return {row.tool_call_id for row in found if row.tool_call_id and row.origin == Origin.MODEL}

    @cached_property
    def state(self) -> str:
        """Where it stands."""
        return queue.states_of([self.incident])[self.incident.pk]

    @cached_property
    def hosts(self) -> list[Host]:
        """The hosts in it, by name."""
        return list(Host.objects.filter(pk__in=self.incident.hosts.values("host")).order_by("name"))

    @cached_property
    def processes(self) -> list[Process]:
        """Processes that raised alerts, the one of the join first."""
        rows = [self.join.alert, *self.rows] if self.join.alert else self.rows
        held = ((row.process, alerts.current(row)) for row in rows)
        seen = [own or (found.process if found else None) for own, found in held]
        return list({row.pk: row for row in seen if row}.values())
