"""Miners by name: started, fetched, or run as a container."""

import re

from apps.detection.argv.invocation import Invocation
from apps.detection.argv.names import names
from apps.detection.rules.base import Detail, Rule
from apps.detection.rules.common import HELP, MENTIONS, SCRIPT_ENDINGS, asks_for_help, first_with
from apps.detection.rules.mining.knowledge import BANDWIDTH, PROGRAMS

_IMAGES = (
    "xmrig", "cpuminer", "lolminer", "nbminer", "t-rex", "ethminer", "xmr-stak", "minerd", "/trex",
    "gminer", "srbminer", "monero-miner", "nicehash", "cryptominer", "phoenixminer", "moneroocean",
    "/miner:", "qli-client", "teamredminer", "bzminer", "ccminer", "xmr-node", "monero-mining",
    "alpine-xmrig", "honeygain", "traffmonetizer",
)  # fmt: skip
_FETCHED = (
    "xmrig", "xmr-stak", "lolminer", "nbminer", "t-rex-", "trexminer", "gminer", "phoenixminer",
    "teamredminer", "srbminer", "cpuminer", "ethminer", "bzminer", "onezerominer", "nanominer", "wildrig",
    "cryptodredge", "ccminer", "minerd", "c3pool", "setup_moneroocean", "setup_c3pool", "moneroocean_miner",
    "kawpowminer", "xmrigcc", "rigel-", "qli-client", "verthashminer", "tnn-miner", "cgminer", "bfgminer",
    "sgminer", "cryptonight", "hellminer",
)  # fmt: skip


_ENDPOINT = re.compile(r"^[\w.-]{3,80}\.[a-z]{2,8}:\d{2,5}$|^\d{1,3}(?:\.\d{1,3}){3}:\d{2,5}$")


_SCRIPTS = (
    "xmrig", "minerd", "pyminer", "python-miner", "stratum_miner", "duino", "pc_miner", "setup_moneroocean",
    "setup_c3pool", "cryptominer", "monero_miner",
)  # fmt: skip


def _program(invocation: Invocation) -> Detail | None:
    if invocation.args and asks_for_help(invocation.args):
        return None
    return {"program": invocation.argv[0], "arguments": " ".join(invocation.args)}


def _bare_miner(invocation: Invocation) -> Detail | None:
    """`miner` and `rig` are what gminer and others call themselves; only their options tell."""
    flags = {word.partition("=")[0] for word in invocation.args}
    names = {
        "--algo",
        "--server",
        "--user",
        "--pool",
        "--wallet",
        "--proto",
        "--url",
        "-a",
        "-o",
        "-u",
        "--pers",
        "--coin",
    }
    connects = any("://" in word or _ENDPOINT.search(word) for word in invocation.args)
    if not invocation.program.endswith(("miner", "minerd", "-mine", "rig")) or invocation.program in MENTIONS:
        return None
    return (
        {"arguments": " ".join(invocation.args)}
        if len(flags & names) > 1 or (connects and flags & names)
        else None
    )


def _chain(invocation: Invocation) -> Detail | None:
    mines = any(
        word in ("--mine", "--miner.threads", "--start-mining") or word.startswith("--miner.threads=")
        for word in invocation.args
    )
    return {"program": invocation.program, "arguments": " ".join(invocation.args)} if mines else None


def _script(invocation: Invocation) -> Detail | None:
    """An interpreter given a miner's script or class path."""
    word = first_with(invocation.args[:3], *_SCRIPTS)
    runs = word and word == next((a for a in invocation.args if a[:1] != "-"), "")
    return {"script": word} if runs and word.endswith((".py", ".js", ".sh", ".jar", ".pl")) else None


def _container(invocation: Invocation) -> Detail | None:
    words = [word for word in invocation.args if word[:1] != "-"]
    if words[:1] not in (["run"], ["create"], ["pull"], ["deploy"], ["apply"]):
        return None
    image = first_with((word for word in invocation.args if "=" not in word or "--image=" in word), *_IMAGES)
    return {"image": image} if image else None


def _fetch(invocation: Invocation) -> Detail | None:
    if invocation.program == "git" and invocation.args[:1] not in (("clone",), ("submodule",)):
        return None
    word = first_with((w for w in invocation.args if "/" in w), *_FETCHED)
    if not word or word[:1] == "-" or HELP & set(invocation.args):
        return None
    if invocation.program == "tar" and not invocation.args[0].lstrip("-").startswith(("x", "-e", "zx")):
        return None
    return {"source": word}


PROGRAM = Rule(
    slug="miner-program",
    version=1,
    family="mining",
    behaviour="crypto mining",
    level="critical",
    technique="T1496.001",
    title="Crypto miner started",
    description="A program known as a miner, or as a broker of mining power, was started.",
    false_positives="Research on miners in a sandbox made for it.",
    examples=(
        "./xmrig -o pool.example:443 -u 48edfHu7V9Z84YzzMa6fUueoELZ9ZRXq9VetWzYGzKt52XU5 --tls",
        "nohup ./lolMiner --algo ETCHASH --pool etc.example:1010 --user 0xabc &",
        "minerd -a scrypt -o http://10.0.0.1:9332 -O u:p",
        "cd /tmp && ./t-rex -c config.json",
    ),
    match=_program,
    programs=PROGRAMS,
)
BARE = Rule(
    slug="miner-bare-name",
    version=1,
    family="mining",
    behaviour="crypto mining",
    level="critical",
    technique="T1496.001",
    title="Program called miner with mining options",
    description="A program with a bare miner's name and at least two of a miner's options.",
    false_positives="A data mining script with the same two option names.",
    examples=("./miner --algo kawpow --server rvn.example:6060 --user RVabc.rig1",),
    match=_bare_miner,
    hints=("miner", "rig ", "-mine "),
    gates=("miner", "rig ", "-mine "),
)
CHAIN = Rule(
    slug="chain-node-mines",
    version=1,
    family="mining",
    behaviour="crypto mining",
    level="high",
    technique="T1496.001",
    title="Node of a chain told to mine",
    description="A node of a block chain is started with mining switched on.",
    false_positives="Development of contracts on a private chain.",
    examples=("geth --mine --miner.threads=4", "monerod --start-mining 44AFFq5k --mining-threads 8"),
    match=_chain,
    programs=names(
        """
        geth monerod openethereum erigon bitcoind zcashd wownerod cfx
        """
    ),
)
SCRIPT = Rule(
    slug="miner-script",
    version=1,
    family="mining",
    behaviour="crypto mining",
    level="critical",
    technique="T1496.001",
    title="Miner script started",
    description="An interpreter was given a miner's script.",
    false_positives="None known.",
    examples=("python3 PC_Miner.py", "bash setup_moneroocean_miner.sh 48edfHu7V9Z84Yzz"),
    match=_script,
    programs=frozenset({"python", "node", "bash", "sh", "java", "perl"}),
    hints=("miner", "xmrig", "minerd", "duino", "moneroocean", "c3pool"),
    gates=SCRIPT_ENDINGS,
)
CONTAINER = Rule(
    slug="miner-container",
    version=1,
    family="mining",
    behaviour="crypto mining",
    level="critical",
    technique="T1496.001",
    title="Container image of a miner",
    description="A container engine is told to fetch or run a miner's image.",
    false_positives="None known.",
    examples=("docker run -d metal3d/xmrig", "kubectl run web --image=kannix/monero-miner"),
    match=_container,
    programs=frozenset({"docker", "kubectl", "ctr", "crictl", "helm"}),
    hints=_IMAGES,
)
FETCH = Rule(
    slug="miner-fetched",
    version=1,
    family="mining",
    behaviour="crypto mining",
    level="high",
    technique="T1496.001",
    title="Miner downloaded or unpacked",
    description="A miner's release or source is fetched or unpacked.",
    false_positives="A security team that collects samples.",
    examples=(
        "wget https://github.com/xmrig/xmrig/releases/download/v6.21.0/xmrig-6.21.0-linux-static-x64.tar.gz",
        "git clone https://github.com/fireice-uk/xmr-stak.git",
    ),
    match=_fetch,
    programs=frozenset({"wget", "curl", "git", "aria2c", "tar", "unzip"}),
    hints=_FETCHED,
)
BANDWIDTH_RESALE = Rule(
    slug="bandwidth-resale",
    version=1,
    family="mining",
    behaviour="crypto mining",
    level="high",
    technique="T1496.002",
    title="Resale of this host's network",
    description="A program that sells this host's bandwidth was started.",
    false_positives="None known in training fleets.",
    examples=("./traffmonetizer start accept --token abc", "earnapp start"),
    match=_program,
    programs=BANDWIDTH,
)
RULES = (PROGRAM, BARE, CHAIN, SCRIPT, CONTAINER, FETCH, BANDWIDTH_RESALE)
