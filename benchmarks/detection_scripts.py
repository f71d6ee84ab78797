"""How often the detectors fire on this machine's own shell scripts: benign text that nobody has labelled.

    python -m benchmarks.detection_scripts [FOLDER ...] [--show]

Every file with a shell's first line below the folders (default: /usr /etc /opt /var/lib/dpkg/info) is
examined as one tool call, and each different line of it as another. Nothing is started. What fires is not
always wrong: package scripts do write start-up files and set the set-user-id bit.
"""

import argparse
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from apps.detection.engine import inspect
from apps.detection.facts import CommandFact
from apps.detection.rules import RULES

FOLDERS = ("/usr", "/etc", "/opt", "/var/lib/dpkg/info")
LEVEL = {rule.slug: rule.level for rule in RULES}
MAX_BYTES = 100_000


def scripts(folders: list[str]) -> Iterator[tuple[Path, str]]:
    """Shell scripts below the folders, with their text."""
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for path in (Path(parent, name) for name in names):
                try:
                    if path.is_symlink() or not path.is_file():
                        continue
                    with path.open("rb") as file:
                        head = file.read(64)
                        first = head.split(b"\n", 1)[0]
                        if first.startswith(b"#!") and b"sh" in first:
                            yield path, (head + file.read(MAX_BYTES)).decode("utf-8", "replace")
                except OSError:
                    continue


def fired(text: str, failed: Counter[str]) -> list[str]:
    """The alerting rules that fire on a text."""
    seen = inspect(CommandFact(text, tool="bash"))
    failed.update(rule for rule, _ in seen.errors)
    return [f.rule for f in seen.findings if LEVEL[f.rule] in ("critical", "high", "medium")]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", default=list(FOLDERS))
    parser.add_argument(
        "--show", action="store_true", help="print every line and file that something fires on"
    )
    options = parser.parse_args()
    failed: Counter[str] = Counter()
    blamed: Counter[str] = Counter()
    counted: Counter[str] = Counter()
    lines: set[str] = set()
    for path, text in scripts(options.folders):
        rules = fired(text, failed)
        counted.update(files=1, files_fired=bool(rules))
        if options.show and rules:
            print(f"{path}: {', '.join(rules)}")
        lines |= {line for raw in text.splitlines() if len(line := raw.strip()) > 5 and line[0] != "#"}
    for line in sorted(lines):
        if rules := fired(line, failed):
            counted["lines_fired"] += 1
            blamed.update(rules)
            if options.show:
                print(f"  {line[:160]}: {', '.join(rules)}")
    print(f"Scripts: {counted['files_fired']} of {counted['files']}.")
    share = 1000 * counted["lines_fired"] / max(len(lines), 1)
    print(f"Lines: {counted['lines_fired']} of {len(lines)} = {share:.1f} per 1,000.")
    print("By rule: " + ", ".join(f"{rule} {count}" for rule, count in blamed.most_common()))
    print(f"Rules that failed: {sum(failed.values())}")


if __name__ == "__main__":
    main()
