"""The chain's arithmetic, in plain Python so that the exported verifier can carry the same lines.

Digest of an entry = sha256(RFC 8785 bytes of its `FIELDS`). Entry hash = sha256("sentinel-audit/v1\\n" +
previous hash + "\\n" + digest), hashes as hex text. Two steps, so that an export of a selection can hand out
the digest alone of what it leaves out, and the chain can still be followed through it.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any

import rfc8785

DOMAIN = b"sentinel-audit/v1\n"
GENESIS = "0" * 64
FIELDS = (
    "seq", "at", "action", "by_kind", "by_name", "subject_kind", "subject_id", "subject_name", "drill",
    "request_id", "detail",
)  # fmt: skip


def iso(moment: datetime) -> str:
    """The one spelling of a time inside the chain."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def covered(row: Any) -> dict[str, Any]:
    """The fields of an entry's row under its hash, as they are exported."""
    return {name: iso(row.at) if name == "at" else getattr(row, name) for name in FIELDS}


def digest(entry: dict[str, Any]) -> str:
    """The digest of an entry's `FIELDS` (`at` as ISO text in UTC)."""
    return hashlib.sha256(rfc8785.dumps({name: entry[name] for name in FIELDS})).hexdigest()


def link(previous: str, entry_digest: str) -> str:
    """The hash of the entry with `entry_digest` that follows the hash `previous`."""
    return hashlib.sha256(DOMAIN + previous.encode() + b"\n" + entry_digest.encode()).hexdigest()


def entry_hash(entry: dict[str, Any], previous: str) -> str:
    """The hash of one entry after `previous`."""
    return link(previous, digest(entry))
