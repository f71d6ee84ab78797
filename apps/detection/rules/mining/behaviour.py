"""Miners by what they are told, whatever they are called: stratum addresses, pools, algorithms, wallets."""

import re

from apps.detection.argv.invocation import Invocation
from apps.detection.argv.names import names
from apps.detection.reading import Reading
from apps.detection.rules.base import Detail, Rule
from apps.detection.rules.common import MENTIONS
from apps.detection.rules.mining.knowledge import ALGORITHMS, POOL_ROOTS, POOLS, STRATUM, WIRE

_ALGO_FLAGS = names(
    """
    -a --algo -algo --coin -coin --algorithm -algorithm --par --pers -par
    """
)
_POOL_FLAGS = names(
    """
    -o --url -url --pool -pool -P --server -s -epool --pools -p -S --stratum -wal-pool -zpool --proxy -pool1
    --host
    """
)
_USER_FLAGS = names(
    """
    -u --user -user -w -wal --wallet -wallet -ewal --address -O --worker --userpass --rig-id -zwal
    -proxywallet -coinbase --miner-address --mining-address
    """
)
_OWN_FLAGS = (
    "--donate-level", "--donate-over-proxy", "--randomx-", "--cpu-max-threads-hint", "--rig-id",
    "--nicehash", "--randomx", "--cuda-bfactor", "--opencl-affinity", "--asm=", "--cpu-affinity",
    "--cpu-memory-pool", "--huge-pages", "--1gb-pages", "--no-huge-pages", "--cpu-no-yield",
    "--opencl-loader", "--ethstratum", "--devicesbypcie", "--nonce-mode", "--proto-stratum", "--mport",
    "--dualmode", "--zombie-mode", "--oc1", "--lhr-tune", "--lhr-algo", "--autotune",
    "--gpu-report-interval", "--start-mining", "--farm-recheck", "--report-hashrate", "--hwmon", "-ethi",
    "-eres", "-mclock", "-mport", "-proto", "-epsw", "-etha", "-tt", "-mi", "--disable-gpu",
    "--disable-cpu", "--extra-nonce", "--nicehash-dev", "--mining-threads", "--dag-load-mode",
)  # fmt: skip
_STRONG_FLAGS = names(
    """
    --donate-level --cpu-max-threads-hint --nicehash --start-mining --report-hashrate --farm-recheck
    --randomx-mode --randomx-1gb-pages --randomx-no-numa --donate-over-proxy
    """
)
_WALLETS = (
    re.compile(r"^[48][0-9AB][1-9A-HJ-NP-Za-km-z]{93}(?:[.+/:@].*)?$"),  # Monero
    re.compile(r"^(?:[A-Z]{2,5}:)?0x[0-9a-fA-F]{40}(?:[.+/:@].*)?$"),  # Ethereum and kin
    re.compile(r"^(?:kaspa|nexa|karlsen|dero|ban|nano|spectre|pyrin|xel|rtm|dnx):?1?[0-9a-z]{40,100}"),
    re.compile(r"^(?:bc1|ltc1)[0-9a-z]{20,80}"),
    re.compile(r"^[13RDXLtGEQ9][1-9A-HJ-NP-Za-km-z]{25,50}\.[\w-]{1,32}$"),  # base58 wallet.worker
)
_POOL_HOST = re.compile(
    r"^(?:[\w+]{2,20}://)?(?:[^/@\s]{1,120}@)?((?:[a-z0-9-]{1,40}\.){0,4}"
    r"(?:pool|stratum|xmr|monero|mine|miner|mining|rvn|etc|kas|eth|btc|zec|ergo|rx|gpu|ssl)[a-z0-9-]{0,20}\.[a-z0-9.-]{3,60}):(\d{2,5})$"
)


def _stratum(invocation: Invocation) -> Detail | None:
    if invocation.program in MENTIONS:
        return None
    for word in invocation.args:
        lowered = word.lower()
        scheme = next((scheme for scheme in STRATUM if scheme in lowered), "")
        if scheme and not any(blank in word.strip() for blank in " \n"):
            return {"program": invocation.argv[0], "pool": word}
    code = invocation.code.lower()
    scheme = next((scheme for scheme in STRATUM if code and scheme in code), "")
    return {"program": invocation.argv[0], "code": invocation.code} if scheme else None


def _flags(args: tuple[str, ...]) -> dict[str, str]:
    """Every option with the word that could be its value; miners do not agree on one style."""
    found: dict[str, str] = {}
    for at, word in enumerate(args[:128]):
        if word[:1] == "-":
            name, equals, value = word.partition("=")
            found[name] = value if equals else (args[at + 1] if at + 1 < len(args) else "")
            if (
                len(name) > 2
                and name[1] in "aouPw"
                and name[1] != "-"
                and name[2] != "-"
                and name not in _ALGO_FLAGS
            ):
                found.setdefault(name[:2], name[2:])
    return found


def _looks_like_wallet(value: str) -> bool:
    return 20 < len(value) < 200 and any(pattern.match(value) for pattern in _WALLETS)


def _miner_flags(invocation: Invocation) -> Detail | None:
    """An algorithm, a pool and a user: nothing but a miner takes these three."""
    if invocation.program in MENTIONS:
        return None
    flags = _flags(invocation.args)
    algorithm = next((flags[f] for f in flags if f in _ALGO_FLAGS and flags[f].lower() in ALGORITHMS), "")
    pool = next((flags[f] for f in flags if f in _POOL_FLAGS and (":" in flags[f] or "." in flags[f])), "")
    user = next((flags[f] for f in flags if f in _USER_FLAGS and flags[f]), "")
    wallet = next((value for value in flags.values() if _looks_like_wallet(value)), "")
    own = sorted(
        {flag for flag in _OWN_FLAGS if any(word.lower().startswith(flag) for word in invocation.args)}
    )
    strong = _STRONG_FLAGS & set(flags)
    signs = [bool(algorithm), bool(pool), bool(user or wallet), bool(own), bool(wallet)]
    if not (strong or (sum(signs) >= 3) or (algorithm and (wallet or (pool and user))) or (wallet and pool)):
        return None
    if strong and not (
        pool or algorithm or user or invocation.args[:1] == ("--donate-level",) or len(strong | set(own)) > 1
    ):
        return None
    return {
        "program": invocation.argv[0],
        "algorithm": algorithm,
        "pool": pool,
        "user": wallet or user,
        "flags": list(own[:6]),
    }


def _pool(invocation: Invocation) -> Detail | None:
    if invocation.program in MENTIONS:
        return None
    for word in invocation.args:
        lowered = word.lower()
        if len(word) > 300 or any(blank in word for blank in " \n"):
            continue
        if any(pool in lowered for pool in POOLS) and ("." in lowered) and _is_endpoint(lowered):
            return {"program": invocation.argv[0], "pool": word}
        if _POOL_HOST.match(lowered) and any(flag in _USER_FLAGS for flag in invocation.args):
            return {"program": invocation.argv[0], "pool": word}
    return None


def _is_endpoint(word: str) -> bool:
    """host:port or a URL, not a package or file name."""
    tail = word.rpartition("=")[2]
    host = tail.partition("://")[2] or tail
    return "://" in word or (":" in host and host.rpartition(":")[2].split("/")[0].isdigit())


def _wire(reading: Reading) -> Detail | None:
    """Someone speaks the pool protocol by hand: netcat, /dev/tcp, or a few lines of code."""
    for invocation in reading.invocations:
        said = invocation.stdin or ""
        text = invocation.code or (said if invocation.program not in MENTIONS else "")
        lowered = text.lower()
        verb = next((verb for verb in WIRE if lowered and verb in lowered), "")
        if verb and (
            "socket" in lowered
            or "connect" in lowered
            or invocation.program not in ("python", "node", "perl")
        ):
            return {"program": invocation.argv[0] if invocation.argv else "", "verb": verb}
    return None


def _tuning(invocation: Invocation) -> Detail | None:
    """The model-specific registers that miners write to speed RandomX up."""
    registers = ("0x1a4", "0xc0011020", "0xc0011021", "0xc0011022", "0xc001102b")
    found = next((word for word in invocation.args if word.lower() in registers), "")
    return {"register": found} if found else None


STRATUM_ADDRESS = Rule(
    slug="stratum-address",
    version=1,
    family="mining",
    behaviour="crypto mining",
    level="critical",
    technique="T1496.001",
    title="Mining pool address in arguments",
    description=(
        "A program was given an address in the mining protocol's scheme (stratum and kin). Programs that "
        "only search, show or store text do not count."
    ),
    false_positives="A pool operator's own tools.",
    examples=(
        "python3 -o stratum+tcp://198.51.100.7:3333 -u x",
        "./torchrun --pool stratum+ssl://eth.example:443",
    ),
    match=_stratum,
    hints=(
        "stratum", "ethproxy", "nicehash+", "daggerhashimoto.", "ethnh+", "zil+", "pplns+", "kas+tcp",
        "randomxmonero.", "eth2+tcp", "ethash+tcp", "ton+tcp",
    ),
    gates=(":", "daggerhashimoto", "randomxmonero"),
)  # fmt: skip
MINER_FLAGS = Rule(
    slug="miner-options",
    version=1,
    family="mining",
    behaviour="crypto mining",
    level="critical",
    technique="T1496.001",
    title="Options of a miner",
    description=(
        "Arguments that name a mining algorithm, a pool and a wallet, or options only miners have, "
        "whatever the program is called."
    ),
    false_positives="None known; --pool or --hash alone never match.",
    examples=(
        "/home/u/.cache/python3 -a kawpow -o 198.51.100.7:6060 -u RAbcdefghijklmnopqrstuvwxyz12345.w1",
        "./train --donate-level 1 --url 203.0.113.5:443 --user x",
        "./a --algo ETCHASH --pool 203.0.113.5:1010 --user 0x1234567890abcdef1234567890abcdef12345678.rig",
    ),
    match=_miner_flags,
    hints=(
        *(f':{digit}' for digit in range(10)), "--algo", "--donate", "-mining", "hashrate",
        "--farm-recheck", "randomx", "--cpu-max-threads", "--nicehash",
    ),
    gates=(":", "--"),
)  # fmt: skip
POOL = Rule(
    slug="mining-pool",
    version=1,
    family="mining",
    behaviour="crypto mining",
    level="high",
    technique="T1496.001",
    title="Address of a mining pool",
    description=(
        "A program was given the address of a known mining pool, or of a host called like one with a user."
    ),
    false_positives="A query of a pool's public statistics.",
    examples=(
        "./worker -o xmr.2miners.com:2222 -u x", "curl https://api.nanopool.org/v1/xmr/user/4abc",
    ),
    match=_pool,
    hints=POOL_ROOTS,
    gates=(":",),
)  # fmt: skip
WIRE_PROTOCOL = Rule(
    slug="stratum-by-hand",
    version=1,
    family="mining",
    behaviour="crypto mining",
    level="critical",
    technique="T1496.001",
    title="Mining protocol spoken by hand",
    description=("Inline code or text fed to a network client holds the verbs of the mining protocol."),
    false_positives="Tests of a pool's software.",
    examples=(
        'echo \'{"id":1,"method":"mining.subscribe","params":[]}\' | nc 198.51.100.7 3333',
        "python3 -c \"import socket;s=socket.create_connection(('h',3333));s.sendall("
        'b\'{\\"method\\":\\"mining.authorize\\"}\')"',
    ),
    match=_wire,
    reads="reading",
    hints=WIRE,
)
TUNING = Rule(
    slug="miner-tuning",
    version=1,
    family="mining",
    behaviour="crypto mining",
    level="medium",
    technique="T1496.001",
    title="Processor registers set for mining",
    description="wrmsr on the prefetcher registers that RandomX miners switch.",
    false_positives="Low-level performance experiments.",
    examples=("wrmsr -a 0x1a4 0xf",),
    match=_tuning,
    programs=frozenset({"wrmsr"}),
)
RULES = (STRATUM_ADDRESS, MINER_FLAGS, POOL, WIRE_PROTOCOL, TUNING)
