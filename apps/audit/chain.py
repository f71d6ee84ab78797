"""The chain's arithmetic, in plain Python so that the exported verifier can carry the same lines.

Entry hash = sha256("sentinel-audit/v1\\n" + previous hash as hex + "\\n" + RFC 8785 bytes of the entry).
"""

import hashlib
from typing import Any

import rfc8785

DOMAIN = b"sentinel-audit/v1\n"
GENESIS = "0" * 64
FIELDS = (
    "seq", "at", "action", "by_kind", "by_name", "subject_kind", "subject_id", "subject_name", "drill",
    "request_id", "detail",
)  # fmt: skip


def entry_hash(entry: dict[str, Any], previous: str) -> str:
    """The hash of one entry (its `FIELDS`, `at` as ISO text in UTC) after `previous`."""
    covered = {name: entry[name] for name in FIELDS}
    return hashlib.sha256(DOMAIN + previous.encode() + b"\n" + rfc8785.dumps(covered)).hexdigest()
