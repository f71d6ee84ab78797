"""Every kind of live item, registered here; an unknown one is refused."""

KINDS: dict[str, str] = {
    "incident.opened": "a new incident",
    "incident.grew": "more alerts in an incident",
    "incident.changed": "status, owner, level or origin moved",
    "incident.annotated": "a note was added",
    "alert.raised": "an alert of a run or host",
    "run.started": "a training run started",
    "run.changed": "state or step of a run moved",
    "toolcall.changed": "a tool call started or ended",
    "host.changed": "a host enrolled, went late or came back",
    "source.changed": "an alert source was made or revoked",
    "order.issued": "an order was issued",
    "order.moved": "a host's part of an order moved",
    "drill.moved": "a drill was asked for, started, ended or was refused",
    "batch.dead": "a batch could not be worked off",
    "report.dead": "a report of an alert source could not be worked off",
}
