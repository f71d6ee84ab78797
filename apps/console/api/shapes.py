"""Shapes that several parts of the API share."""

from typing import Annotated

from ninja import Path, Query, Schema

from apps.fleet.models import Host, TrainingRun

PAGE = 50
MEDIA_TYPE = "x-media-type"  # in an operation's `openapi_extra`: its answer is a file, not JSON
Id = Annotated[int, Path(ge=1, lt=2**63)]
Before = Annotated[int | None, Query(ge=1, lt=2**63, description="`next` of the page before")]
Size = Annotated[int, Query(ge=1, le=200, description="rows of a page")]


class RunRef(Schema):
    """A training run by id and name."""

    id: int
    name: str

    @classmethod
    def of(cls, run: TrainingRun | None) -> "RunRef | None":
        return cls(id=run.pk, name=run.name) if run else None


class HostRef(Schema):
    """A host by id and name."""

    id: int
    name: str

    @classmethod
    def of(cls, host: Host) -> "HostRef":
        return cls(id=host.pk, name=host.name)


def next_of(rows: list[int], size: int) -> int | None:
    """The cursor of the page after ids `rows`, of which one more than `size` was asked for."""
    return rows[size - 1] if len(rows) > size else None
