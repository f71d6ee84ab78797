"""How much the detectors find, and how often they cry wolf, on labelled command lines.

    python -m benchmarks.detection_quality [FILE] [--misses] [--alarms] [--sources a,b]

FILE has one JSON object a line (label, technique, strength, hard, source, cmdline); the default is
../shared/data/commands-dev.jsonl beside the repository. Every line is examined as the text of a tool call
in a run. A line counts as found, or as a false alarm, if any rule of level medium or worse fires.
"""

import argparse
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path

from apps.detection.engine import inspect
from apps.detection.facts import CommandFact
from apps.detection.rules import RULES

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data" / "commands-dev.jsonl"
ALERTING = {"critical", "high", "medium"}
LEVEL = {rule.slug: rule.level for rule in RULES}
FAMILY = {rule.slug: rule.family for rule in RULES}

# What a labelled technique is, in the families of the product. The first match counts.
TECHNIQUES = {
    "tunnels": ("T1572", "T1090", "T1021", "T1219", "T1571"),
    "mining": ("T1496",),
    "shells": ("T1059", "T1095", "T1140", "T1027", "T1105", "T1071", "T1102"),
    "probing": ("T1046", "T1018", "T1016", "T1049", "T1588", "T1040", "T1135", "T1110", "T1595"),
    "escape": ("T1611", "T1610", "T1609", "T1613", "T1548", "T1068"),
    "credentials": ("T1003", "T1552", "T1555", "T1056", "T1539", "T1528"),
    "exfiltration": ("T1048", "T1567", "T1041", "T1029", "T1030", "T1020", "T1537", "T1074", "T1560"),
    "persistence": ("T1053", "T1543", "T1546", "T1547", "T1098", "T1574", "T1136", "T1556", "T1037", "T1014"),
    "tampering": ("T1685", "T1686", "T1689", "T1690", "T1562", "T1070", "T1489", "T1222", "T1529", "T1531"),
}


def family_of(technique: str) -> str:
    """The product's family of an ATT&CK technique, or "other"."""
    return next((name for name, ids in TECHNIQUES.items() if technique.startswith(ids)), "other")


def fired(text: str) -> tuple[list[str], int]:
    """The alerting rules that fire on a command line, and the number of rules that failed."""
    seen = inspect(CommandFact(text, tool="bash"))
    return [f.rule for f in seen.findings if LEVEL[f.rule] in ALERTING], len(seen.errors)


def load(path: Path, sources: set[str]) -> list[dict[str, str]]:
    """The labelled lines, or a clear end."""
    if not path.exists():
        sys.exit(f"No labelled command lines at {path}: give the path of such a file as the argument.")
    rows = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    return [row for row in rows if not sources or row["source"] in sources]


def report(rows: list[dict[str, str]], *, misses: bool, alarms: bool) -> None:
    """Print the tables."""
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    benign: dict[str, Counter[str]] = defaultdict(Counter)
    blamed: Counter[str] = Counter()
    errors = 0
    for row in rows:
        rules, failed = fired(row["cmdline"])
        errors += failed
        if row["label"] == "malicious":
            counter = found[family_of(row["technique"]), row["strength"]]
            counter["all"] += 1
            counter["found"] += bool(rules)
            if misses and not rules:
                print(f"MISS {row['technique']} {row['strength']} | {row['cmdline'][:300]}")
        else:
            benign[row["source"]]["all"] += 1
            benign[row["source"]]["hard"] += bool(row["hard"])
            benign[row["source"]]["fired"] += bool(rules)
            benign[row["source"]]["fired_hard"] += bool(rules and row["hard"])
            blamed.update(FAMILY[rule] for rule in rules)
            if alarms and rules:
                print(f"ALARM {row['source']} {rules} | {row['cmdline'][:300]}")
    _tables(found, benign, blamed, errors)


def _tables(
    found: dict[tuple[str, str], Counter[str]],
    benign: dict[str, Counter[str]],
    blamed: Counter[str],
    errors: int,
) -> None:
    print("\n| family | strong: found | weak: found | false alarms by its rules |\n|---|---|---|---|")
    for family in (*TECHNIQUES, "other"):
        cells = []
        for strength in ("strong", "weak"):
            counter = found[family, strength]
            share = f" = {counter['found'] / counter['all']:.0%}" if counter["all"] else ""
            cells.append(f"{counter['found']}/{counter['all']}{share}")
        print(f"| {family} | {cells[0]} | {cells[1]} | {blamed[family]} |")
    print("\n| benign source | lines | alarms | of the hard ones |\n|---|---|---|---|")
    for source, counter in sorted(benign.items()):
        print(
            f"| {source} | {counter['all']} | {counter['fired']} |"
            f" {counter['fired_hard']}/{counter['hard']} |"
        )
    total = sum((c for c in benign.values()), Counter[str]())
    strong = [c for (_, strength), c in found.items() if strength == "strong"]
    caught, every = sum(c["found"] for c in strong), sum(c["all"] for c in strong)
    print(f"\nStrong malicious lines found: {caught}/{every}" + (f" = {caught / every:.1%}" if every else ""))
    if total["all"]:
        print(
            f"False alarms: {total['fired']}/{total['all']}"
            f" = {1000 * total['fired'] / total['all']:.1f} per 1,000 benign lines"
        )
    print(f"Rules that failed on a line: {errors}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument(
        "--misses", action="store_true", help="print every malicious line that nothing fires on"
    )
    parser.add_argument(
        "--alarms", action="store_true", help="print every benign line that something fires on"
    )
    parser.add_argument("--sources", default="", help="only these sources, comma-separated")
    options = parser.parse_args()
    chosen = {name for name in options.sources.split(",") if name}
    report(load(options.file, chosen), misses=options.misses, alarms=options.alarms)


if __name__ == "__main__":
    main()
