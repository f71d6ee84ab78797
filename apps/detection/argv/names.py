"""What a program is called, whatever path, case or version it was started by."""

from functools import lru_cache


def names(text: str) -> frozenset[str]:
    """A set of names, written as words."""
    return frozenset(text.split())


ALIASES = {
    "nc.traditional": "nc", "nc.openbsd": "nc", "netcat": "nc", "nc6": "nc", "ncat.exe": "ncat",
    "nodejs": "node", "pypy": "python", "ipython": "python", "python-config": "python-config",
    "gawk": "awk", "mawk": "awk", "nawk": "awk", "original-awk": "awk", "luajit": "lua",
    "rvim": "vim", "view": "vim", "rview": "vim", "vi": "vim", "nvim": "vim", "vimdiff": "vim", "vim.basic": "vim",
    "vim.tiny": "vim", "rbash": "bash", "-bash": "bash", "-sh": "sh", "-zsh": "zsh", "mksh": "ksh", "lksh": "ksh",
    "pdksh": "ksh", "docker-ce": "docker", "podman": "docker", "nerdctl": "docker", "egrep": "grep", "fgrep": "grep",
    "rgrep": "grep", "zgrep": "grep", "bat": "cat", "batcat": "cat", "tac": "cat", "pwsh": "powershell",
}  # fmt: skip


@lru_cache(maxsize=8192)
def program_name(path: str) -> str:
    """`/usr/bin/python3.11` is `python`; `nc.traditional` is `nc`; `./XMRig` is `xmrig`."""
    name = path[-256:].rpartition("/")[2].lower().removesuffix(".exe").removesuffix(" (deleted)")
    if name in ALIASES:
        return ALIASES[name]
    if name[:1] == "$":  # $PYTHON, ${SHELL}: the variable's name says what it holds
        return next((known for word, known in _HELD.items() if word in name), name)
    stem = name.rstrip("0123456789.-")
    if stem and stem != name and stem in _VERSIONED:
        return ALIASES.get(stem, stem)
    return name


_HELD = {"python": "python", "perl": "perl", "ruby": "ruby", "bash": "bash", "shell": "sh"}
_VERSIONED = names(
    """
    python pypy ipython perl ruby php lua luajit node tclsh wish ksh bash zsh julia irb java groovy vim gdb
    """
)
