"""Every process of a run is where the run is, and is what it says it is."""

from apps.detection.facts import SocketFact
from tests.detection.cases import process, rules_on

RUN = {"marker": "rome-7", "run_cgroup": "/sentinel/rome-7"}


def test_a_process_in_its_run_s_cgroup_or_below_is_in_order() -> None:
    assert rules_on(process("python3 w.py", cgroup="/sentinel/rome-7", **RUN)) == set()
    assert rules_on(process("python3 w.py", cgroup="/sentinel/rome-7/box", **RUN)) == set()


def test_a_marked_process_in_another_cgroup_has_left() -> None:
    assert rules_on(process("python3 w.py", cgroup="/user.slice", **RUN)) == {"run-left-cgroup"}


def test_a_cgroup_whose_name_only_begins_like_the_run_s_is_another_one() -> None:
    assert rules_on(process("python3 w.py", cgroup="/sentinel/rome-70", **RUN)) == {"run-left-cgroup"}


def test_without_a_known_cgroup_nothing_can_be_said() -> None:
    assert rules_on(process("python3 w.py", cgroup="/user.slice", marker="rome-7")) == set()


def test_a_process_of_a_run_that_is_over_is_out_of_place() -> None:
    inside = process("sh -c id", cgroup="/sentinel/rome-7", run_cgroup="/sentinel/rome-7", run_ended=True)
    marked = process("sh -c id", cgroup="/user.slice", marker="rome-7", run_ended=True)
    neither = process("sh -c id", cgroup="/user.slice", run_cgroup="/sentinel/rome-7", run_ended=True)
    assert rules_on(inside) == {"run-process-after-end"}
    assert rules_on(marked) == {"run-process-after-end"}
    assert rules_on(neither) == set()


def test_a_program_without_a_file_is_out_of_place() -> None:
    assert rules_on(process("python3", exe="/memfd:a (deleted)")) == {"process-without-file"}
    assert rules_on(process("python3", exe="/memfd:a (deleted)", zone="host")) == {"process-without-file"}
    assert rules_on(process("python3", exe="/work/python3 (deleted)")) == {"process-without-file"}
    assert rules_on(process("worker", exe="/dev/shm/worker")) == {"process-without-file"}


def test_a_service_of_the_host_whose_package_was_upgraded_is_in_order() -> None:
    assert rules_on(process("sshd", exe="/usr/sbin/sshd (deleted)", zone="host")) == set()


def test_a_program_from_a_scratch_folder_is_noted_in_a_run_but_not_a_build_tool_s_own() -> None:
    assert rules_on(process("./w", exe="/tmp/.x/w")) == {"run-process-from-scratch"}
    assert rules_on(process("./w", exe="/tmp/.x/w", zone="host")) == set()
    assert rules_on(process("cc1", exe="/tmp/pip-build-env-1/bin/cc1")) == set()


def test_a_program_that_calls_itself_a_kernel_thread_is_out_of_place() -> None:
    assert rules_on(process(["[kworker/0:1]"], exe="/home/u/m", zone="host")) == {"kernel-thread-name"}
    assert rules_on(process(["[kworker/0:1]"], exe="", zone="host")) == set()


def test_a_run_s_process_under_a_system_program_s_name_is_out_of_place() -> None:
    assert rules_on(process("sshd", exe="/home/u/m")) == {"false-program-name"}
    assert rules_on(process("sshd", exe="/usr/sbin/sshd")) == set()
    assert rules_on(process("bash", exe="/usr/bin/dash")) == set()


def test_a_program_without_a_file_that_connects_is_seen_from_its_socket() -> None:
    odd = SocketFact(("python3",), "/memfd:x (deleted)", "SYN_SENT", "10.0.0.7:4", "203.0.113.9:33", "run")
    assert rules_on(odd) == {"unfiled-program-connects"}


def test_a_process_that_is_nothing_but_empty_is_nothing() -> None:
    assert rules_on(process([])) == set()
