"""Hosts that stand together, told by their names: `gpu-a12-01` to `gpu-a12-08` are rack `a12`."""

import re
from collections import Counter
from typing import Any

Cell = dict[str, Any]
_LAST = re.compile(r"[-_.]?\d+$")


def racks(cells: list[Cell]) -> list[dict[str, Any]]:
    """`cells` by rack, in their order; one group without a name where the names tell of no racks."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(_LAST.sub("", cell["host"].name), []).append(cell)
    if not groups or len(groups) * 2 > len(cells):
        return [{"name": "", "title": "", "cells": cells}]
    short = Counter(_short(name) for name in groups)
    return [
        {"name": name if short[_short(name)] > 1 else _short(name), "title": name, "cells": found}
        for name, found in groups.items()
    ]


def _short(name: str) -> str:
    """The last word of a rack's name."""
    return re.split(r"[-_.]", name)[-1] or name
