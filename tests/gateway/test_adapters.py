"""Formats of other products: golden samples, each read to the letter, and what is none of them."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.fleet.choices import AlertFormat
from apps.gateway.adapters import ADAPTERS, base
from apps.gateway.adapters.base import Sheet, Told, UnreadableError, moment
from tests.gateway.samples import ALERTMANAGER, FALCO, FALCO_DROPS, OCSF, SURICATA, WAZUH_4, WAZUH_5

SAMPLES = {
    "alertmanager": ALERTMANAGER, "falco": FALCO, "ocsf": OCSF, "suricata": SURICATA, "wazuh": WAZUH_4,
}  # fmt: skip


def read(form: str, *items: Any) -> Sheet:
    return ADAPTERS[form].read(b"\n".join(json.dumps(item).encode() for item in items))


def only(form: str, item: Any) -> Told:
    (told,) = read(form, item).told
    return told


def test_every_format_that_can_be_chosen_has_its_adapter() -> None:
    assert set(ADAPTERS) == set(AlertFormat.values) == set(SAMPLES)


def test_suricata_alert_has_both_ends_of_its_flow_and_no_process() -> None:
    told = only("suricata", SURICATA)
    assert (told.rule, told.title) == ("1:9000001", "Outbound SSH to an unknown host")
    assert (told.behaviour, told.level, told.technique) == (
        "Potential Corporate Privacy Violation",
        "high",
        "T1572",
    )
    assert told.flow == {
        "proto": "tcp", "src": "10.0.0.5", "src_port": 40000, "dst": "198.51.100.7", "dst_port": 22,
    }  # fmt: skip
    assert told.addresses == ("10.0.0.5", "198.51.100.7")
    assert told.at == pytest.approx(1_795_000_002.123456)
    assert (told.pid, told.names) == (None, ())
    assert told.detail["action"] == "allowed"


def test_suricata_says_many_things_that_are_no_alert() -> None:
    sheet = read("suricata", {"event_type": "flow"}, {"event_type": "stats"}, SURICATA)
    assert sheet.summary() == {"alerts": 1, "ignored": 2, "resolved": 0, "unreadable": 0}


@pytest.mark.parametrize(("severity", "level"), [(1, "high"), (2, "medium"), (3, "low"), (9, "medium")])
def test_suricata_counts_down(severity: int, level: str) -> None:
    alert = SURICATA["alert"] | {"severity": severity}
    assert only("suricata", SURICATA | {"alert": alert}).level == level


def test_falco_alert_names_host_process_and_container() -> None:
    told = only("falco", FALCO)
    assert (told.rule, told.level, told.technique) == (
        "Redirect STDOUT/STDIN to Network Connection",
        "low",
        "T1059",
    )
    assert (told.names, told.pid, told.container) == (("trainer-7",), 200, "3ad7b26ded6d")
    assert told.at == pytest.approx(1_795_000_002.000000042)
    assert told.flow is not None
    assert (told.flow["src"], told.flow["dst_port"]) == ("10.0.0.5", 22)


@pytest.mark.parametrize(
    ("priority", "level"),
    [
        ("Emergency", "critical"), ("Alert", "critical"), ("Critical", "critical"), ("Error", "high"),
        ("Warning", "medium"), ("Notice", "low"), ("Informational", "info"), ("Debug", "info"),
    ],
)  # fmt: skip
def test_falco_priorities(priority: str, level: str) -> None:
    assert only("falco", FALCO | {"priority": priority}).level == level


def test_falco_that_drops_system_calls_is_blind() -> None:
    told = only("falco", FALCO_DROPS)
    assert (told.behaviour, told.family, told.technique) == ("sensor is blind", "coverage", "T1562")
    assert told.detail["n_drops"] == "1100000"


def test_wazuh_of_the_fourth_generation() -> None:
    told = only("wazuh", WAZUH_4)
    assert (told.native, told.rule, told.level, told.technique) == (
        "1795000002.55",
        "5763",
        "medium",
        "T1110",
    )
    assert (told.names, told.addresses, told.behaviour) == (("trainer-7",), ("10.0.0.5",), "syslog")
    assert told.at == pytest.approx(1_795_000_002.333)


def test_wazuh_of_the_fifth_generation() -> None:
    told = only("wazuh", WAZUH_5)
    assert (told.native, told.rule, told.level, told.technique) == ("f3a1", "ssh-tunnel", "high", "T1572")
    assert (told.names, told.addresses, told.pid) == (("trainer-7",), ("10.0.0.5",), 200)
    assert told.flow is not None
    assert told.flow["dst"] == "198.51.100.7"


@pytest.mark.parametrize(
    ("level", "said"), [(15, "critical"), (12, "high"), (7, "medium"), (4, "low"), (3, "info"), (0, "info")]
)
def test_wazuh_levels(level: int, said: str) -> None:
    assert only("wazuh", WAZUH_4 | {"rule": WAZUH_4["rule"] | {"level": level}}).level == said


def test_alertmanager_group_of_firing_and_resolved_alerts() -> None:
    sheet = read("alertmanager", ALERTMANAGER)
    assert sheet.summary() == {"alerts": 1, "ignored": 0, "resolved": 1, "unreadable": 0}
    (told,) = sheet.told
    assert (told.rule, told.title, told.level) == (
        "GpuBusyAtNight",
        "GPUs are busy and no step moves",
        "high",
    )
    assert (told.names, told.native) == (("trainer-7",), "c9a1 2026-11-18T11:06:42.5Z")


def test_alertmanager_that_cut_alerts_says_so() -> None:
    first, cut = read("alertmanager", ALERTMANAGER | {"truncatedAlerts": 3}).told
    assert first.rule == "GpuBusyAtNight"
    assert (cut.behaviour, cut.detail["truncated"]) == ("alerts were cut", 3)


def test_ocsf_finding() -> None:
    told = only("ocsf", OCSF)
    assert (told.native, told.rule, told.level, told.technique) == ("F-1", "R-7", "high", "T1572")
    assert (told.names, told.addresses, told.pid) == (("trainer-7",), ("10.0.0.5",), 200)
    assert told.at == pytest.approx(1_795_000_002.5)
    assert read("ocsf", OCSF | {"activity_id": 3}).summary()["resolved"] == 1
    assert read("ocsf", OCSF | {"class_uid": 4001}).summary()["ignored"] == 1


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-18T11:06:42.5Z", "2026-11-18T11:06:42.500000+0000", "2026-11-18T13:06:42.5+02:00",
        "2026-11-18 11:06:42,500", "2026-11-18T11:06:42.500000000000Z",
    ],
)  # fmt: skip
def test_time_with_whatever_offset_is_one_moment(written: str) -> None:
    assert moment(written) == pytest.approx(1_795_000_002.5)


@pytest.mark.parametrize(
    "odd", [None, 5, "", "now", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00Z", "9" * 99]
)
def test_what_is_no_time_is_none(odd: Any) -> None:
    assert moment(odd) is None


@pytest.mark.parametrize("form", sorted(ADAPTERS))
def test_one_object_a_list_and_lines_say_the_same(form: str) -> None:
    sample = SAMPLES[form]
    alone = read(form, sample).told
    assert alone == ADAPTERS[form].read(json.dumps([sample]).encode()).told
    assert read(form, sample, sample).told == [*alone, *alone]


@pytest.mark.parametrize("form", sorted(ADAPTERS))
@pytest.mark.parametrize(
    "content",
    [
        b"", b"null", b"5", b"[5, []]", b"{}", b"{", b"\xff\xfe{}", b"[" * 10_000, b'{"a":' * 10_000,
        b"[" + b"{}," * base.MOST_ITEMS + b"{}]", b"[" * (base.MOST_OPENED + 1), b"\x00", b'"text"',
    ],
    ids=range(13),
)  # fmt: skip
def test_what_is_none_of_it_is_refused(form: str, content: bytes) -> None:
    with pytest.raises(UnreadableError):
        ADAPTERS[form].read(content)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.just("2026-11-18T11:06:42Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def broken(draw: st.DrawFn, sample: Any) -> Any:
    """The sample with some of its values replaced by anything."""
    if draw(st.integers(0, 9)) == 0:
        return draw(values)
    if isinstance(sample, dict):
        return {key: draw(broken(value)) for key, value in sample.items() if draw(st.integers(0, 19))}
    if isinstance(sample, list):
        return [draw(broken(value)) for value in sample]
    return sample


@pytest.mark.parametrize(
    "sample", [*SAMPLES.items(), ("wazuh", WAZUH_5), ("falco", FALCO_DROPS)], ids=range(7)
)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_stands_in_it_is_read_or_refused(sample: tuple[str, Any], data: st.DataObject) -> None:
    form, whole = sample
    content = json.dumps(data.draw(broken(whole))).encode("utf-8", "surrogatepass")
    try:
        sheet = ADAPTERS[form].read(content)
    except UnreadableError:
        return
    for told in sheet.told:
        assert told.level in ("critical", "high", "medium", "low", "info")
        assert told.rule
        assert told.native
        assert len(told.title) <= 200
        assert len(told.behaviour) <= 60
        json.dumps([told.flow, told.detail]).encode()
