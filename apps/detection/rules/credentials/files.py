"""Secrets read from files and from other processes' memory."""

import re

from apps.detection.argv import getopt
from apps.detection.argv.invocation import Invocation
from apps.detection.argv.names import names
from apps.detection.reading import Reading
from apps.detection.rules.base import Detail, Rule
from apps.detection.rules.files import reads

_SECRET = re.compile(
    r"/etc/(?:shadow|gshadow)-?(?![\w.])|/etc/security/opasswd|/etc/krb5\.keytab|/tmp/krb5cc_|/etc/sudoers(?![\w.])"
    r"|\.ssh/(?:id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?|identity|[\w-]{1,40}\.pem)(?!\.pub)(?![\w.-])|\.ssh/(?:id_)?\*|/ssh_host_\w{1,12}_key(?!\.pub)"
    r"|\.aws/credentials|\.config/gcloud/(?:credentials|access_tokens|application_default|legacy_credentials)|\.azure/(?:accesstokens|msal_token)"
    r"|\.kube/config|/etc/kubernetes/(?:admin\.conf|pki/)|secrets/kubernetes\.io/serviceaccount|/etc/rancher/k3s/k3s\.yaml"
    r"|\.docker/config\.json|\.netrc(?!\w)|\.git-credentials|\.pgpass|\.my\.cnf|huggingface/token|\.huggingface/token|\.config/gh/hosts\.yml"
    r"|\.npmrc|\.pypirc|\.vault-token|\.terraform\.d/credentials|\.config/rclone/rclone\.conf|\.s3cfg|\.boto(?!\w)"
    r"|/logins\.json|/key4\.db|/login data|/cookies\.sqlite|\.gnupg/(?:private-keys|secring)"
    r"|\.local/share/keyrings|\.electrum/|wallet\.dat"
    r"|/proc/(?:\d{1,8}|\$?[\w{}$()]{1,40}|\*|self)/environ(?!\w)|/var/lib/(?:sss|samba)/.{0,40}(?:ldb|tdb)|/sam(?:\.save)?$|/ntds\.dit"
)
_SECRET_FOLDER = re.compile(r"(?:^|/)\.(?:ssh|aws|kube|gnupg|azure)/?$")
_PACKERS = names("tar zip cp scp rsync mv 7z")
_MEMORY = re.compile(r"/proc/[^/\s]{1,64}/(?:mem|maps)(?!\w)|/dev/k?mem(?!\w)|/proc/kcore")
_OWN_ENVIRON = ("/proc/self/environ", "/proc/$$/environ")
_WORDS = re.compile(
    r"passw|passwd|secret|api.?key|akia|token|credential|private.key|aws_|begin rsa|bearer", re.IGNORECASE
)
_ROOTS = re.compile(r"^/(?:$|home|etc|root|var|opt|srv|mnt|usr|proc|\*)")
_HISTORY = re.compile(r"(?:^|/|~)\.?(?:bash_|zsh_|sh_|python_|mysql_|psql_|)history$")
_KEY_NAMES = (
    "id_rsa", "id_dsa", "id_ed25519", "id_ecdsa", ".aws", "credentials", "shadow", ".netrc",
    ".git-credentials", "wallet.dat", ".kdbx", "*.ovpn", "kubeconfig", ".gnupg", "access_tokens.",
    "accesstokens.", "azureprofile.", ".pgpass", "logins.json", "keytab", ".htpasswd",

)  # fmt: skip


def _file(invocation: Invocation) -> Detail | None:
    if invocation.program == "sudo" or (invocation.remote and invocation.program == "ssh"):
        return None
    if invocation.program in _PACKERS:
        whole = next((word for word in invocation.args if _SECRET_FOLDER.search(word)), "")
        if whole:
            return {"program": invocation.program, "path": whole}
    for path in reads(invocation):
        match = _SECRET.search(path.lower())
        if match and not any(own in path for own in _OWN_ENVIRON):
            return {"program": invocation.program, "path": match.group() if len(path) > 200 else path}
    return None


def _memory(invocation: Invocation) -> Detail | None:
    for path in reads(invocation):
        if "/proc/self/" in path:
            continue
        if (match := _MEMORY.search(path)) and (
            invocation.program in ("dd", "strings", "xxd", "cat", "grep", "cp") or "/mem" in match.group()
        ):
            return {"program": invocation.program, "path": match.group()}
    return None


def _dump(invocation: Invocation) -> Detail | None:
    args = invocation.args
    if (
        invocation.program == "gdb"
        and "dump" not in invocation.code
        and "generate-core" not in invocation.code
    ):
        return None
    named = getopt(args, "p:o:", frozenset({"--pid"}))
    target = named.value("p", "--pid") or (args[-1] if args else "")
    return (
        {"program": invocation.program, "target": target}
        if args and args[0] not in ("--help", "--version")
        else None
    )


def _search(invocation: Invocation) -> Detail | None:
    """Words like password looked for below a system folder."""
    options = getopt(
        invocation.args,
        "e:f:A:B:C:m:d:D:g:t:T:",
        frozenset({"--include", "--exclude", "--exclude-dir", "--regexp", "--color"}),
    )
    patterns = [*options.values("e", "--regexp"), *(() if options.has("e", "--regexp") else options.rest[:1])]
    places = options.rest if options.has("e", "--regexp") else options.rest[1:]
    recursive = options.has("r", "R", "--recursive") or invocation.program in ("rg", "ag")
    if not recursive or not any(_WORDS.search(pattern) for pattern in patterns):
        return None
    found = [
        place
        for place in places
        if _ROOTS.match(place) and place.count("/") < 3 and not place.startswith("/var/log")
    ]
    return {"pattern": patterns[0], "places": found} if found else None


def _find(invocation: Invocation) -> Detail | None:
    args = invocation.args
    places = [word for word in args if word[:1] == "/" or word == "~"][:4]
    names = [
        args[at + 1]
        for at, word in enumerate(args[:-1])
        if word in ("-name", "-iname", "-path", "-ipath", "-wholename")
    ]
    found = [
        n
        for n in names
        if any(n.lower().strip("*/").startswith(k.strip("*")) and len(n) < len(k) + 8 for k in _KEY_NAMES)
    ]
    return {"names": found, "places": places} if found and places else None


def _history(reading: Reading) -> Detail | None:
    """Old command lines searched for passwords."""
    opens = next(
        (p for i in reading.invocations for p in reads(i) if len(p) < 300 and _HISTORY.search(p)), ""
    )
    lists = any(i.program == "history" and not i.args for i in reading.invocations)
    searches = next(
        (
            i
            for i in reading.invocations
            if i.program == "grep" and _WORDS.search(" ".join(i.args).replace("pass", "passw"))
        ),
        None,
    )
    return (
        {"file": opens or "history", "search": " ".join(searches.args)}
        if searches and (opens or lists)
        else None
    )


FILE = Rule(
    slug="secret-file-read",
    version=1,
    family="credentials",
    behaviour="credential access",
    level="high",
    technique="T1552.001",
    title="Secret file read",
    description=(
        "A program reads password hashes, private keys, cloud, cluster or registry credentials, or another "
        "process's environment."
    ),
    false_positives=(
        "Back-ups and set-up scripts of an operator; a run that is given a secret on purpose."
    ),
    examples=(
        "cat /etc/shadow", "cp ~/.ssh/id_rsa /tmp/k", "cat ~/.aws/credentials",
        "tr '\\0' '\\n' < /proc/1/environ",
    ),
    match=_file,
    files=True,
    hints=(
        ".ssh", ".kube", "shadow", "opasswd", "keytab", "krb5cc", "sudoers", ".ssh/", "ssh_host",
        ".aws/", "gcloud", ".azure", ".kube", "kubernetes", "k3s.yaml", ".docker/", ".netrc",
        ".git-cred", ".pgpass", ".my.cnf", "huggingface", ".config/", ".npmrc", ".pypirc", ".vault",
        ".terraform.d", ".s3cfg", ".boto", "logins.json", "key4.db", "login data", "cookies.sql",
        ".gnupg", "keyrings", "electrum", "wallet.dat", "/environ", "/var/lib/s", "/sam", "ntds.dit",
    ),
)  # fmt: skip
MEMORY = Rule(
    slug="process-memory-read",
    version=1,
    family="credentials",
    behaviour="credential access",
    level="high",
    technique="T1003.007",
    title="Memory of another process read",
    description=(
        "A program reads /proc/PID/mem or maps, or the machine's memory: secrets lie there in the clear."
    ),
    false_positives="Debugging a crash by hand.",
    examples=(
        "dd if=/proc/4242/mem of=/tmp/m bs=1 skip=4096 count=4096", "grep -a password /proc/4242/mem",
    ),
    match=_memory,
    files=True,
    hints=("/mem", "/maps", "kmem", "kcore"),
)  # fmt: skip
DUMP = Rule(
    slug="process-dump",
    version=1,
    family="credentials",
    behaviour="credential access",
    level="medium",
    technique="T1003.007",
    title="Memory of another process dumped",
    description="gcore, procdump or a debugger writes another process's memory to a file.",
    false_positives="Debugging a hang.",
    examples=("gcore -o /tmp/core 4242", "gdb -p 4242 -batch -ex 'dump memory /tmp/m 0x1000 0x2000'"),
    match=_dump,
    programs=names(
        """
        gcore procdump gdb mimipenguin mimipenguin.sh lazagne lazagne.py 3snake swap_digger
        """
    ),
)
SEARCH = Rule(
    slug="secret-search",
    version=1,
    family="credentials",
    behaviour="credential access",
    level="medium",
    technique="T1552.001",
    title="Search for secrets in system folders",
    description=(
        "A recursive search for words like password or token below /, /etc, /home or the like. In a "
        "project folder it does not match."
    ),
    false_positives="Leak scans by an operator.",
    examples=("grep -ri password /", "grep -rn -e api_key /etc /home"),
    match=_search,
    programs=frozenset({"grep", "rg", "ag"}),
    hints=("passw", "secret", "key", "token", "credential", "aws_", "begin rsa", "bearer"),
)
FIND = Rule(
    slug="secret-file-search",
    version=1,
    family="credentials",
    behaviour="credential access",
    level="medium",
    technique="T1552.004",
    title="Search for key files",
    description=(
        "find looks for private keys, cloud credentials or password stores over the whole machine."
    ),
    false_positives="Inventory by an operator.",
    examples=("find / -name id_rsa 2>/dev/null", "find /home -iname '.git-credentials'"),
    match=_find,
    programs=frozenset({"find"}),
    hints=(
        ".gnupg", "accesstoken", "access_token", "azureprofile", ".pgpass", "logins", "keytab",
        "id_", ".aws", "credential", "shadow", ".netrc", "wallet", ".kdbx", "ovpn", "kubeconfig",
        "htpasswd",
    ),
)  # fmt: skip
HISTORY = Rule(
    slug="secret-in-history",
    version=1,
    family="credentials",
    behaviour="credential access",
    level="medium",
    technique="T1552.003",
    title="Command history searched for secrets",
    description="Earlier command lines are searched for passwords or keys.",
    false_positives="A person looking for a command of their own.",
    examples=("cat ~/.bash_history | grep -i pass", "grep -e token ~/.zsh_history"),
    match=_history,
    reads="reading",
    programs=frozenset({"grep"}),
    hints=("history",),
)
RULES = (FILE, MEMORY, DUMP, SEARCH, FIND, HISTORY)
