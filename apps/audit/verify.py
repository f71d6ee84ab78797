#!/usr/bin/env python3
"""Checks an exported audit trail (JSONL or CSV) without the server that wrote it.

    python3 verify.py FILE [--key KEY]

Python 3.10 or newer and nothing else. Exit code 0: the trail holds. 1: it does not, and the first broken link
is named. 2: the file cannot be read. Give KEY (it is on the audit page) from a place other than the file:
without it the signatures are held against the key that the file itself states.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = "sentinel-audit-export/v1"
DOMAIN = b"sentinel-audit/v1\n"
GENESIS = "0" * 64
FIELDS = (
    "seq", "at", "action", "by_kind", "by_name", "subject_kind", "subject_id", "subject_name", "drill",
    "request_id", "detail",
)  # fmt: skip
COLUMNS = (*FIELDS, "previous_hash", "hash")
ENTRY, WITHHELD = frozenset(COLUMNS), frozenset({"seq", "withheld"})
GUARDED = ("=", "+", "-", "@", "\t", "\r", "'")  # a spreadsheet would run these: the export put a ' before


class Broken(Exception):
    """The trail does not hold; the text names the first place where."""


class Unreadable(Exception):
    """The file is not an export."""


# --- canonical JSON (RFC 8785 for text, whole numbers, booleans and null) ---


def canonical(value: Any) -> bytes:
    """The bytes under the hash: keys by their UTF-16 code units, nothing that could be left out."""
    try:
        return json.dumps(_ordered(value), separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value, key=lambda key: key.encode("utf-16-be"))}
    return [_ordered(inner) for inner in value] if isinstance(value, list) else value


def parsed(text: str) -> Any:
    """`text` as JSON; a key given twice or a number with a fraction is refused: readers disagree on them."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_float=_refuse, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _refuse(text: str) -> Any:
    raise ValueError(f"{text[:40]} is not a whole number")


def following(previous: str, entry: dict[str, Any]) -> str:
    """The hash of the entry with these `FIELDS` after the hash `previous`."""
    return linked(previous, hashlib.sha256(canonical({name: entry[name] for name in FIELDS})).hexdigest())


def linked(previous: str, digest: str) -> str:
    """The hash of the entry with `digest` after the hash `previous`."""
    return hashlib.sha256(DOMAIN + previous.encode() + b"\n" + digest.encode()).hexdigest()


# --- signed notes (C2SP signed-note, Ed25519) ---


def opened(note: str, key: str) -> list[str]:
    """The lines of `note`'s text. Raises ValueError unless `key` signed it."""
    name, stated, encoded = key.split("+", 2)
    public = base64.b64decode(encoded, validate=True)
    identity = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
    if public[:1] != b"\x01" or len(public) != 33 or identity.hex() != stated:
        raise ValueError(f"{key[:200]} is not an Ed25519 key of a signed note")
    text, separator, signatures = note.rpartition("\n\n")
    text += "\n"
    for line in signatures.splitlines() if separator else ():
        if line.startswith(f"\u2014 {name} "):
            raw = base64.b64decode(line.rsplit(" ", 1)[1], validate=True)
            if raw[:4] == identity and signed(public[1:], raw[4:], text.encode()):
                return text.splitlines()
    raise ValueError(f"no signature by {name[:100]} holds")


P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]


def signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` over `message` holds under the Ed25519 key `public` (RFC 8032, section 6)."""
    answer = int.from_bytes(signature[32:], "little")
    if len(public) != 32 or len(signature) != 64 or answer >= Q:
        return False
    try:
        holder, commitment = _point(public), _point(signature[:32])
    except ValueError:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % Q
    left, right = _times(answer, BASE), _plus(commitment, _times(challenge, holder))
    return not (
        (left[0] * right[2] - right[0] * left[2]) % P or (left[1] * right[2] - right[1] * left[2]) % P
    )


def _plus(one: Point, two: Point) -> Point:
    a, b = (one[1] - one[0]) * (two[1] - two[0]) % P, (one[1] + one[0]) * (two[1] + two[0]) % P
    c, d = 2 * one[3] * two[3] * D % P, 2 * one[2] * two[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def _times(factor: int, point: Point) -> Point:
    total: Point = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            total = _plus(total, point)
        point, factor = _plus(point, point), factor >> 1
    return total


def _point(raw: bytes) -> Point:
    y = int.from_bytes(raw, "little")
    odd, y = y >> 255, y & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if y >= P or (x * x - square) % P or (not x and odd):
        raise ValueError("not a point of the curve")
    x = P - x if x & 1 != odd else x
    return (x, y, 1, x * y % P)


BASE = _point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


# --- reading an export ---


def records(path: Path) -> Iterator[dict[str, Any]]:
    """Every record of the file, from JSON lines or CSV; Broken at the first that cannot be read."""
    with path.open(encoding="utf-8", newline="") as file:
        start = file.read(1)
        file.seek(0)
        if start not in ("{", "s"):
            raise Unreadable(f"{path.name} is neither JSON lines nor CSV of an audit trail.")
        rows = (parsed(line) for line in file) if start == "{" else _csv_rows(csv.reader(file, strict=True))
        number = 0
        while True:
            number += 1
            try:
                record = next(rows, None)
            except (ValueError, KeyError, csv.Error) as error:
                raise Broken(f"record {number} of the file cannot be read ({error}).") from error
            if record is None:
                return
            if not isinstance(record, dict):
                raise Broken(f"record {number} of the file is not an object.")
            yield record


def _csv_rows(rows: Any) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(2**31 - 1)
    if tuple(next(rows, ())) != COLUMNS:
        raise Unreadable("The first line does not name the columns of an audit trail.")
    for row in rows:
        cells = {name: _unguarded(text) for name, text in zip(COLUMNS, row, strict=True)}
        if cells["action"].startswith("#"):
            seq = {"seq": _whole(cells["seq"])} if cells["seq"] else {}
            yield {**seq, cells["action"][1:]: parsed(cells["detail"])}
        else:
            drill = {"true": True, "false": False}[cells["drill"]]
            yield {**cells, "seq": _whole(cells["seq"]), "drill": drill, "detail": parsed(cells["detail"])}


def _unguarded(text: str) -> str:
    if not text.startswith(GUARDED):
        return text
    if text[0] != "'" or not text[1:].startswith(GUARDED):
        raise ValueError("a cell is not written as an export writes it")
    return text[1:]


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or text != str(int(text)):
        raise ValueError(f"{text[:40]!r} is not a whole number")
    return int(text)


# --- the check ---


@dataclass
class Trail:
    """How far the check is: the last entry, its hash, and what was seen on the way."""

    key: str
    origin: str
    statement: dict[str, Any]
    seq: int
    hash: str
    entries: int = 0
    withheld: int = 0
    sealed: int = 0  # the last entry under a checkpoint

    def take_entry(self, entry: dict[str, Any]) -> None:
        """The entry is the next one, unchanged, and follows the one before."""
        self._come_to(entry["seq"])
        if entry["previous_hash"] != self.hash:
            raise Broken(
                f"entry {self.seq} does not follow entry {self.seq - 1}: the hash before it is {self.hash}, "
                f"it states {entry['previous_hash']!s:.64}."
            )
        try:
            self.hash = following(self.hash, entry)
        except ValueError as error:
            raise Broken(f"entry {self.seq} was changed: it is no text that can be kept.") from error
        self.entries += 1
        if entry["hash"] != self.hash:
            raise Broken(
                f"entry {self.seq} was changed: its content has the hash {self.hash}, "
                f"it states {entry['hash']!s:.64}."
            )

    def take_withheld(self, record: dict[str, Any]) -> None:
        """The place of an entry outside the selection: its digest keeps the chain together."""
        self._come_to(record["seq"])
        self.hash = linked(self.hash, str(record["withheld"]))
        self.withheld += 1

    def take_checkpoint(self, note: str) -> None:
        """What was signed is what the file holds."""
        try:
            origin, size, head = opened(note, self.key)
            right = (
                origin == self.origin and base64.b64decode(head).hex() == self.hash and size == str(self.seq)
            )
        except ValueError as error:
            raise Broken(f"the checkpoint after entry {self.seq} is not signed: {error}.") from error
        if not right or self.sealed == self.seq:
            raise Broken(
                f"the entries after {self.sealed} up to {self.seq} are not those that were signed: "
                f"the checkpoint states size {size} and head {head}."
            )
        self.sealed = self.seq

    def _come_to(self, seq: Any) -> None:
        if seq != self.seq + 1 or isinstance(seq, bool):
            if isinstance(seq, int) and seq > self.seq:
                raise Broken(f"entry {self.seq + 1} is missing: entry {self.seq} is followed by entry {seq}.")
            raise Broken(f"entry {seq!s:.40} stands after entry {self.seq}: it was inserted or moved.")
        if seq > self.statement["last"]:
            raise Broken(f"entry {seq} was added: the export ran to entry {self.statement['last']}.")
        self.seq += 1


def begun(record: dict[str, Any], key: str | None) -> Trail:
    """The trail that the signed statement in the file's first record announces."""
    try:
        start = record["start"]
        used = key or str(start["key"])
        name, text = opened(str(start["statement"]), used)
        statement = parsed(text)
        if statement["format"] != FORMAT or (statement["first"] == 1 and statement["previous"] != GENESIS):
            raise ValueError("the statement is of another format")
        return Trail(
            used, name.removesuffix("/export"), statement, statement["first"] - 1, statement["previous"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Broken(f"the file does not begin with the signed statement of its export ({error}).") from error


def check(path: Path, key: str | None = None) -> Trail:
    """The whole of `path` holds, or Broken names the first place where it does not."""
    found = records(path)
    first = next(found, None)
    if first is None:
        raise Unreadable(f"{path.name} is empty.")
    trail = begun(first, key)
    for record in found:
        if record.keys() == ENTRY:
            trail.take_entry(record)
        elif record.keys() == WITHHELD:
            trail.take_withheld(record)
        elif record.keys() == {"checkpoint"}:
            trail.take_checkpoint(str(record["checkpoint"]))
        else:
            raise Broken(
                f"the record after entry {trail.seq} has other fields than an entry: no hash covers them."
            )
    if trail.seq != trail.statement["last"]:
        raise Broken(f"the tail was cut: the file ends after entry {trail.seq} of {trail.statement['last']}.")
    if trail.sealed != trail.seq:
        raise Broken(f"no signed checkpoint stands over the last entry, {trail.seq}.")
    return trail


def said(trail: Trail, key: str | None) -> str:
    """The result of a check that holds, as text."""
    statement = trail.statement
    lines = [f"The trail holds: entries {statement['first']} to {trail.seq}, {trail.entries} in full."]
    if trail.withheld:
        lines.append(
            f"{trail.withheld} are outside the selection ({statement['selection']}) and stand as digests."
        )
    lines.append(f"Head {trail.hash}, under a checkpoint signed with {trail.key}")
    if key is None:
        lines.append(
            "This key is the file's own word: compare it with the one on the audit page, or give --key."
        )
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Checks an exported audit trail without its server.")
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="exports, JSONL or CSV")
    parser.add_argument("--key", help="the server's verifier key, as the audit page shows it")
    given = parser.parse_args(arguments)
    if len(given.files) == 1:
        return told(given.files[0], given.key)
    worst = 0
    for file in given.files:
        sys.stdout.write(f"{file}: ")
        sys.stdout.flush()
        worst = max(worst, told(file, given.key))
    return worst


def told(file: Path, key: str | None) -> int:
    """What there is to say of one export is written; 0 it holds, 1 it is broken, 2 it cannot be read."""
    try:
        sys.stdout.write(said(check(file, key), key))
    except Broken as error:
        sys.stdout.write(f"BROKEN: {error}\n")
        return 1
    except (Unreadable, OSError, UnicodeError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
