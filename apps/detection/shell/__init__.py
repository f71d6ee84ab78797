"""Shell text becomes simple commands: what a shell would start, as far as the text alone can say.

A parser of its own, for three reasons that were measured against tree-sitter-bash: its time is linear in
the text by construction (that grammar needs 18 s for 64 KiB of `<>`), it keeps the redirections a reverse
shell is made of (`5<>/dev/tcp/...`, `0>&1`), and it keeps here-documents whole.
"""

from apps.detection.shell.model import Command, Loop, Redirect, Script
from apps.detection.shell.parser import parse

__all__ = ["Command", "Loop", "Redirect", "Script", "parse"]
