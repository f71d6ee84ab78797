"""The lanes: a figure that Plotly accepts, the same as a table, and counts where things are too many."""

import json
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import plotly.graph_objects as go
import pytest
from django.utils import timezone

from apps.attribution.models import Attribution
from apps.console.charts import run as run_chart
from apps.console.charts import timeline
from apps.console.charts.figure import drawn
from apps.console.charts.lanes import Lane, Window, stamp
from apps.console.charts.mini import mini
from apps.console.charts.rows import ROWS, Bar
from apps.console.panels.case import Case
from apps.fleet.models import HostAgent
from apps.incidents import services
from apps.telemetry.models import Event, GpuSample, Process, ToolCall
from tests.console.cast import browser, person, story

pytestmark = pytest.mark.django_db
TOKEN = re.compile(r'"\$([a-z0-9-]+)"')


def accepted(figure: dict) -> go.Figure:
    """The figure as Plotly's own validators read it; token names stand for colours."""
    plain = json.loads(TOKEN.sub('"#808080"', json.dumps(figure)))
    return go.Figure(data=plain["data"], layout=plain["layout"])


def names(figure: dict) -> list[str]:
    axes = [value for name, value in figure["layout"].items() if name.startswith("yaxis")]
    return [axis["title"]["text"].split("<br>")[0] for axis in axes]


def lane(figure: dict, name: str) -> list[dict]:
    """The traces of one lane."""
    suffix = {
        value["title"]["text"].split("<br>")[0]: axis
        for axis, value in figure["layout"].items()
        if axis.startswith("yaxis")
    }[name]
    return [trace for trace in figure["data"] if trace["yaxis"] == suffix.replace("axis", "")]


def hovers(figure: dict) -> list[str]:
    return [text for trace in figure["data"] for text in trace.get("hovertext", [])]


def stretches(traces: list[dict]) -> dict[float, list[tuple[datetime, datetime]]]:
    """For each height, what its bars cover, in order of time."""
    found = defaultdict(list)
    for trace in traces:
        if trace["type"] == "bar":
            for base, length, y in zip(trace["base"], trace["x"], trace["y"], strict=True):
                start = datetime.fromisoformat(base)
                found[y].append((start, start + timedelta(milliseconds=length)))
    return {y: sorted(bars) for y, bars in found.items()}


@pytest.mark.parametrize("window", ["1m", "5m", "episode", "run", "nonsense", ""])
def test_plotly_accepts_every_window(window: str):
    it = story()
    services.annotate(it.incident, text="seen", by=person("jonas"))
    figure = timeline.figure(Case(it.incident), host=None, window=window)
    assert len(accepted(figure).data) >= 5
    assert names(figure)[:3] == ["Tool calls", "Processes", "Network"]
    assert names(figure)[-3:] == ["Alerts", "People", "Observed"]


def test_every_colour_is_a_token_of_the_style_sheet():
    from pathlib import Path

    tokens = Path("static/css/tokens.css").read_text()
    figure = json.dumps(timeline.figure(Case(story().incident), host=None, window="5m"))
    used = set(TOKEN.findall(figure))
    assert used
    assert {name for name in used if f"--{name}:" not in tokens} == set()
    assert "#" not in re.sub(r'"(?:text|hovertext)": \[[^\]]*\]', "", figure)


def test_what_is_joined_is_violet_and_the_line_stands_at_the_call():
    it = story()
    figure = timeline.figure(Case(it.incident), host=None, window="5m")
    link, now = figure["layout"]["shapes"]
    assert (link["line"]["color"], now["line"]["color"]) == ("$origin-model", "$accent")
    assert link["x0"] == it.call.started_at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    it.alerts[0].attributions.update(tool_call=None, origin="unknown")
    apart = timeline.figure(Case(it.incident), host=None, window="5m")
    assert [shape["line"]["color"] for shape in apart["layout"]["shapes"]] == ["$accent"]
    assert "$origin-model" not in json.dumps(apart)
    assert "$chart-foreign" in json.dumps(apart["data"])


def test_gpus_are_drawn_only_where_they_were_measured():
    it = story()
    assert "GPU by process" in names(timeline.figure(Case(it.incident), host=None, window="5m"))
    GpuSample.objects.all().delete()
    assert "GPU by process" not in names(timeline.figure(Case(it.incident), host=None, window="5m"))


def test_time_that_nobody_watched_is_hatched():
    it = story()
    it.agent.last_seen_at = it.at - timedelta(minutes=5)
    it.agent.save()
    figure = timeline.figure(Case(it.incident), host=None, window="5m")
    hatched = [trace for trace in figure["data"] if trace.get("marker", {}).get("pattern")]
    assert any("nobody was heard" in trace["hovertext"] for trace in hatched)


def test_nobody_watched_before_the_host_was_enrolled():
    it = story()
    it.agent.enrolled_at = it.at + timedelta(seconds=30)
    it.agent.save()
    traces = lane(timeline.figure(Case(it.incident), host=None, window="5m"), "Observed")
    hatched = next(trace for trace in traces if trace["marker"].get("pattern"))
    assert any("before the host was enrolled" in text for text in hatched["hovertext"])


def test_a_call_whose_end_nobody_told_ends_with_its_run():
    it = story()
    it.call.ended_at = None
    it.call.save()
    it.run.ended_at = it.call.started_at + timedelta(seconds=7)
    it.run.save()
    assert timeline.ended(it.call, it.run) == it.run.ended_at
    assert timeline.ended(it.call, None) is None
    it.run.ended_at = it.call.started_at - timedelta(seconds=7)
    assert timeline.ended(it.call, it.run) == it.call.started_at


def test_a_gap_is_cut_out_of_the_observed_band_and_stands_at_its_height():
    it = story()
    Event.objects.filter(kind="gap").delete()
    gap = {"from_at": (it.at + timedelta(seconds=10)).timestamp(), "dropped": 1204, "reason": "\x1b[31mfull"}
    Event.objects.create(
        host=it.host, batch=it.batch, position=9_999, kind="gap", data=gap,
        occurred_at=it.at + timedelta(seconds=12), received_at=it.at + timedelta(seconds=13),
    )  # fmt: skip
    traces = lane(timeline.figure(Case(it.incident), host=None, window="5m"), "Observed")
    blind = next(trace for trace in traces if trace["marker"].get("pattern"))
    assert blind["text"] == ["2.0 s blind, 1,204 records lost"]
    assert "\\x1b[31mfull" in blind["hovertext"][0]
    (bars,) = stretches(traces).values()
    assert all(end <= start for (_, end), (start, _) in pairwise(bars))
    assert len(bars) == 3


def test_more_calls_than_can_be_drawn_are_counted_and_the_joined_one_is_still_there():
    it = story()
    ToolCall.objects.bulk_create(
        ToolCall(
            run=it.run, trace_id=f"{number:032x}", span_id="0" * 16, name="bash", received_at=it.at,
            started_at=it.at + timedelta(milliseconds=number * 20), ended_at=it.at + timedelta(minutes=1),
        )
        for number in range(timeline.MANY + 50)
    )  # fmt: skip
    figure = timeline.figure(Case(it.incident), host=None, window="5m")
    accepted(figure)
    drawn_calls = lane(figure, "Tool calls")
    assert {trace["type"] for trace in drawn_calls} == {"bar", "scatter"}
    assert sum(len(trace["x"]) for trace in drawn_calls) < 200


def test_the_table_tells_the_same_in_order_of_time():
    table = timeline.figure(Case(story().incident), host=None, window="5m")["table"]
    assert table["head"] == ["Time, UTC", "Lane", "What", "Until"]
    times = [row[0] for row in table["rows"]]
    assert times == sorted(times)
    assert {"Tool calls", "Processes", "Network", "Alerts"} <= {row[1] for row in table["rows"]}


@pytest.mark.parametrize("count", [3, ROWS, 40])
def test_bars_of_one_lane_do_not_cover_each_other_and_all_are_told(count: int):
    it = story()
    bars = [
        Bar(it.at + timedelta(seconds=number), it.at + timedelta(minutes=9), "base", f"bar {number}")
        for number in range(count)
    ]
    window = Window(it.at, it.at + timedelta(minutes=10))
    (trace,) = drawn([Lane("Tool calls", bars=bars)], window)["data"]
    heights = sorted(trace["y"])
    assert len(heights) == min(count, ROWS)
    assert all(high - low >= trace["width"] for low, high in pairwise(heights))
    if count > ROWS:
        assert trace["text"][-1] == f"{count - ROWS + 1} more"
        assert f"bar {ROWS - 1}" in trace["hovertext"][-1]


def test_joined_bars_keep_their_rows_when_others_are_folded():
    it = story()
    base = [Bar(it.at, None, "base", f"worker {number}") for number in range(30)]
    mine = Bar(it.at + timedelta(seconds=5), None, "model", "ssh", knot=True)
    figure = drawn([Lane("Processes", bars=[*base, mine])], Window(it.at, it.at + timedelta(minutes=1)))
    joined = next(trace for trace in figure["data"] if trace["marker"]["color"] == "$origin-model")
    assert joined["text"][0].strip() == "ssh"
    assert joined["y"] == [min(y for trace in figure["data"] for y in trace["y"])]


def test_a_tool_call_is_named_by_its_command_and_a_program_without_its_path():
    it = story()
    ToolCall.objects.update(arguments=json.dumps({"command": "ssh -fN -R 2222"}))
    Process.objects.update(argv=["/usr/bin/ssh", "-fN"])
    figure = timeline.figure(Case(it.incident), host=None, window="5m")
    traces = lane(figure, "Tool calls") + lane(figure, "Processes")
    assert {word.strip() for trace in traces for word in trace.get("text", [])} == {
        "ssh -fN -R 2222",
        "ssh -fN",
    }


def test_what_still_goes_on_ends_now_and_not_in_the_future():
    it = story()
    bars = [Bar(it.at, None, "base", "still there")]
    window = Window(it.at, it.at + timedelta(minutes=5), it.at + timedelta(minutes=1))
    (trace,) = drawn([Lane("Processes", bars=bars)], window)["data"]
    assert trace["x"] == [60_000]


def test_the_small_timeline_of_the_peek_tells_the_same():
    it = story()
    found = mini(Case(it.incident))
    assert [tick.kind for tick in found["calls"]] == ["model"]
    assert found["link"] == found["calls"][0].at
    assert [tick.kind for tick in found["alerts"]] == ["critical"]
    assert [area["kind"] for area in found["gpus"]] == ["train"]
    answer = browser("mei").get(f"/incidents/{it.incident.pk}/panel/mini/").content.decode()
    assert "1 tool call and 1 alert, GPU use" in answer
    assert answer.count("<polygon") == 1


def test_the_window_of_a_run_begins_no_earlier_than_the_run():
    it = story()
    it.run.started_at = timezone.now() - timedelta(seconds=30)
    it.run.save()
    first, _ = run_chart.figure(it.run, window="5m")["layout"]["xaxis"]["range"]
    assert datetime.fromisoformat(f"{first}+00:00") >= it.run.started_at - timedelta(seconds=3)


def test_another_hosts_lanes_can_be_asked_for_but_only_of_this_incident():
    it, other = story("gpu-a12-01"), story("gpu-b07-01")
    client = browser("mei")
    address = f"/incidents/{it.incident.pk}/figure/?host="
    mine = hovers(client.get(address + str(it.host.pk)).json())
    assert any(it.host.name in text for text in mine)
    assert hovers(client.get(address + str(other.host.pk)).json()) == mine
    assert hovers(client.get(address + "abc").json()) == mine


def test_the_run_has_its_own_lanes():
    it = story()
    figure = run_chart.figure(it.run, window="run")
    accepted(figure)
    assert names(figure) == ["Tool calls", "Alerts"]


def test_a_weak_tie_to_a_call_is_not_drawn_as_the_models_doing():
    it = story()
    it.alerts[0].attributions.update(origin="unknown", strength=20)
    figure = timeline.figure(Case(it.incident), host=None, window="5m")
    assert "$origin-model" not in json.dumps(figure)
    assert mini(Case(it.incident))["link"] is None
    client = browser("mei")
    assert 'class="join" data-kind="none"' in client.get(f"/incidents/{it.incident.pk}/").content.decode()
    peek = client.get(f"/incidents/{it.incident.pk}/peek/").content.decode()
    assert 'class="thread" data-kind="alert"' in peek
    assert "Tool call" in peek


def test_what_people_did_stands_in_the_clock_of_the_host():
    it = story()
    HostAgent.objects.filter(host=it.host).update(clock_offset_ms=-20_000)
    services.take(it.incident, by=person("jonas"))
    drawn_at = [
        datetime.fromisoformat(x).replace(tzinfo=UTC)
        for trace in lane(timeline.figure(Case(it.incident), host=None, window="run"), "People")
        for x in trace["x"]
    ]
    done_at = it.incident.changes.get(field="status", after="taken").at
    assert [abs((at - done_at).total_seconds() + 20) < 0.01 for at in drawn_at] == [True]


def many_calls(it, number: int) -> None:
    """Over a minute, each of them 5 ms long."""
    ToolCall.objects.bulk_create([
        ToolCall(
            run=it.run, trace_id=f"{place:032x}", span_id="0" * 16, name="bash", received_at=it.at,
            arguments=f"echo {place}", arguments_captured=True,
            started_at=it.at + timedelta(seconds=60 * place / number),
            ended_at=it.at + timedelta(seconds=60 * place / number, milliseconds=5),
        )
        for place in range(number)
    ], batch_size=2_000)  # fmt: skip


def counted(figure: dict) -> int:
    """What the counted bars of the first lane say, added up."""
    said = [text for trace in lane(figure, "Tool calls") for text in trace.get("hovertext", [])]
    return sum(int(text.split()[0].replace(",", "")) for text in said if " began in " in text)


@pytest.mark.parametrize("page", ["incident", "run"])
def test_ten_thousand_calls_are_counted_and_drawn_one_by_one_where_somebody_zooms(
    page: str, django_assert_max_num_queries
):
    it = story()
    many_calls(it, 10_000)
    client, pk = browser("mei"), {"incident": it.incident.pk, "run": it.run.pk}[page]
    address = f"/{page}s/{pk}/figure/?window=run"
    with django_assert_max_num_queries(40):
        answer = client.get(address)
    assert counted(answer.json()) == 10_001
    assert len(answer.content) < 60_000
    start = int(it.at.timestamp() * 1000) + 30_000
    near = client.get(f"{address}&from={start}&to={start + 2_000}")
    bars = [trace for trace in lane(near.json(), "Tool calls") if trace["type"] == "bar"]
    refs = [ref for trace in bars for ref in trace["customdata"] if ref]
    span = (datetime.fromtimestamp(start / 1000, UTC), datetime.fromtimestamp(start / 1000 + 2, UTC))
    inside = set(ToolCall.objects.filter(started_at__range=span).values_list("pk", flat=True))
    assert {f"call:{pk}" for pk in inside} <= set(refs)
    assert counted(near.json()) == 0
    assert len(near.content) < 200_000


@pytest.mark.parametrize(
    "span", ["from=1&to=0", "from=x&to=9", "from=-1&to=5", "from=" + "9" * 30 + "&to=1", "from=5"]
)
def test_a_stretch_that_is_none_is_not_zoomed_to(span: str):
    it = story()
    client = browser("mei")
    address = f"/incidents/{it.incident.pk}/figure/?window=1m"
    wanted = client.get(address).json()["layout"]["xaxis"]
    assert client.get(f"{address}&{span}").json()["layout"]["xaxis"] == wanted


def test_every_bar_and_mark_and_line_of_the_table_names_what_it_stands_for():
    it = story()
    services.annotate(it.incident, text="seen", by=person("jonas"))
    services.take(it.incident, by=person("ana"))
    figure = timeline.figure(Case(it.incident), host=None, window="run")
    refs = {ref for trace in figure["data"] for ref in trace.get("customdata", []) if ref}
    kinds = {ref.split(":")[0] for ref in refs}
    assert kinds == {"call", "process", "connection", "alert", "note", "change"}
    assert refs == {ref for ref in figure["table"]["refs"] if ref}
    page = browser("mei").get(f"/incidents/{it.incident.pk}/").content.decode()
    for ref in refs - {f"connection:{it.alerts[0].connection_id}"}:
        assert f'data-about="{ref}"' in page or ref.startswith("connection:"), ref


def test_a_line_leads_from_each_call_to_the_alert_that_came_of_it():
    it = story()
    later = it.alert(at=it.at + timedelta(seconds=9))
    Attribution.objects.create(
        alert=later, tool_call=it.call, origin="model", strength=80, clock_error_ms=8.0, delta_ms=9_000.0
    )
    for figure in (
        timeline.figure(Case(it.incident), host=None, window="run"),
        run_chart.figure(it.run, window="run"),
    ):
        lines = [shape for shape in figure["layout"]["shapes"] if shape["line"]["color"] == "$origin-model"]
        ends = {shape["x1"] for shape in lines}
        assert {stamp(later.occurred_at), stamp(it.alerts[0].occurred_at)} == ends
        assert {shape["x0"] for shape in lines} == {stamp(it.call.started_at)}


def test_who_holds_a_gpu_is_named():
    it = story()
    GpuSample.objects.update(start_ticks=it.process.start_ticks)
    Process.objects.filter(pk=it.process.pk).update(exe="/tmp/nvml-helper")
    hover = hovers(timeline.figure(Case(it.incident), host=None, window="5m"))
    assert any("training 40 %: nvml-helper 48211" in text for text in hover)
