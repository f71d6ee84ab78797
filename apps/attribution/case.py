"""One alert with everything its attribution may rest on. Plain values: matchers can fetch nothing."""

from dataclasses import dataclass, field

from apps.attribution.choices import Origin
from apps.telemetry.choices import KnownFrom
from apps.telemetry.flows import Flow, FlowOwner

UNMEASURED_MS = 1_000.0  # how far clocks may be off where nobody has measured it


@dataclass(frozen=True, slots=True)
class Kin:
    """A process of the alert's line: itself first, then its parent, and so on up."""

    pid: int
    start_ticks: int
    argv: tuple[str, ...]
    exe: str = ""
    cgroup: str = ""
    marker: str = ""
    traceparent: str = ""
    run_id: int | None = None
    since: float | None = None  # when it began to run this program, seconds on its host's clock
    peers: tuple[str, ...] = ()  # far ends of its connections; loaded for session servers alone
    netns: int | None = None

    @property
    def program(self) -> str:
        """Its name without path, and without the colon that servers put into theirs."""
        first = (self.argv[0] if self.argv else "") or self.exe
        return first.split(" ", 1)[0].rstrip(":").rsplit("/", 1)[-1].lower()


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another process in the same place, which names a tool call."""

    pid: int
    traceparent: str
    place: str  # "network namespace" | "cgroup"


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that may have done it. Times in seconds on the clock of the alert's host."""

    id: int
    trace_id: str
    span_id: str
    name: str
    arguments: str
    captured: bool
    started_at: float
    ended_at: float | None
    run_id: int | None
    episode_id: int | None = None
    known_from: str = KnownFrom.SPAN
    sandbox: str = ""  # the native id of the container or sandbox that it says it runs in


@dataclass(frozen=True, slots=True)
class Case:
    """The alert, its line of processes, and the tool calls that were near."""

    occurred_at: float
    run_id: int | None = None
    run_name: str = ""
    run_marker: str = ""
    run_cgroup: str = ""
    clock_error_ms: float | None = None
    line: tuple[Kin, ...] = ()
    calls: tuple[Call, ...] = ()
    own_call: int | None = None  # the tool call whose text itself raised the alert
    neighbours: tuple[Neighbour, ...] = ()
    flow: Flow | None = None  # what a sensor on the wire saw, for an alert that names no process
    held: FlowOwner | None = None  # who held that connection; `line` is then of that process
    blind: tuple[str, ...] = ()  # what the host's sensors could not see, in sentences

    @property
    def slack(self) -> float:
        """Seconds by which times of alert and tool call may be off."""
        return (UNMEASURED_MS if self.clock_error_ms is None else self.clock_error_ms) / 1000

    @property
    def stranger(self) -> Kin | None:
        """The process, or the nearest above it, that says it is of a run; where that is no run known here."""
        named = next((kin for kin in self.line if kin.marker or kin.run_id), None)
        return named if named and named.run_id is None else None

    def marked(self, kin: Kin) -> bool:
        """Whether that process carries what only the run's own inherit; to be in its cgroup is not enough,
        somebody who signed in can go there.
        """
        return bool(kin.traceparent or (self.run_marker and kin.marker == self.run_marker))

    @property
    def possible(self) -> tuple[Call, ...]:
        """Tool calls that no marker of another run speaks against."""
        return tuple(call for call in self.calls if call.run_id is None) if self.stranger else self.calls


@dataclass(frozen=True, slots=True)
class Match:
    """One thing that speaks for a tool call (or for somebody else, then `against`)."""

    matcher: str
    strength: int
    says: str
    call: Call | None = None
    against: bool = False
    origin: str = Origin.MODEL
    steps: int = 0  # how many generations above the process the sign was found


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Who it was, how sure that is, on what it rests and what could not be seen."""

    origin: str
    strength: int
    call: Call | None = None
    delta_ms: float | None = None
    basis: list[dict[str, object]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
