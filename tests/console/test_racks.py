"""Hosts are drawn by rack where their names tell of racks."""

from types import SimpleNamespace

import pytest

from apps.console.panels.racks import racks


def grouped(*names: str) -> list[tuple[str, int]]:
    found = racks([{"host": SimpleNamespace(name=name)} for name in names])
    return [(rack["name"], len(rack["cells"])) for rack in found]


def test_hosts_of_one_rack_stand_together_under_its_short_name():
    assert grouped("gpu-a12-01", "gpu-a12-02", "gpu-b07-01", "gpu-b07-02") == [("a12", 2), ("b07", 2)]


def test_racks_of_the_same_short_name_keep_their_whole_names():
    assert grouped("dc1-a12-1", "dc1-a12-2", "dc2-a12-1", "dc2-a12-2") == [("dc1-a12", 2), ("dc2-a12", 2)]


@pytest.mark.parametrize("names", [["vm"], ["ana", "jonas", "mei"], ["a-1", "b-1", "c-1"], []])
def test_names_that_tell_of_no_rack_make_one_group(names: list[str]):
    assert grouped(*names) == [("", len(names))]


def test_a_name_of_digits_alone_is_a_host_like_any_other():
    assert grouped("1", "2", "3") == [("", 3)]
