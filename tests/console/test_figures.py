"""The lanes: a figure that Plotly accepts, the same as a table, and counts where things are too many."""

import json
import re
from datetime import timedelta

import plotly.graph_objects as go
import pytest

from apps.console.charts import run as run_chart
from apps.console.charts import timeline
from apps.console.charts.lanes import Bar, Lane, Window, drawn
from apps.console.panels.case import Case
from apps.incidents import services
from apps.telemetry.models import GpuSample, ToolCall
from tests.console.cast import browser, person, story

pytestmark = pytest.mark.django_db
TOKEN = re.compile(r'"\$([a-z0-9-]+)"')


def accepted(figure: dict) -> go.Figure:
    """The figure as Plotly's own validators read it; token names stand for colours."""
    plain = json.loads(TOKEN.sub('"#808080"', json.dumps(figure)))
    return go.Figure(data=plain["data"], layout=plain["layout"])


def names(figure: dict) -> list[str]:
    axes = [value for name, value in figure["layout"].items() if name.startswith("yaxis")]
    return [axis["ticktext"][0].split("<br>")[0] for axis in axes]


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
    assert [shape["line"]["color"] for shape in figure["layout"]["shapes"]] == ["$origin-model"]
    assert figure["layout"]["shapes"][0]["x0"] == it.call.started_at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    it.alerts[0].attributions.update(tool_call=None, origin="unknown")
    apart = timeline.figure(Case(it.incident), host=None, window="5m")
    assert apart["layout"]["shapes"] == []
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
    lane = [trace for trace in figure["data"] if trace.get("yaxis") == "y"]
    assert {trace["type"] for trace in lane} == {"bar", "scatter"}
    assert sum(len(trace["x"]) for trace in lane) < 200


def test_the_table_tells_the_same_in_order_of_time():
    table = timeline.figure(Case(story().incident), host=None, window="5m")["table"]
    assert table["head"] == ["Time, UTC", "Lane", "What", "Until"]
    times = [row[0] for row in table["rows"]]
    assert times == sorted(times)
    assert {"Tool calls", "Processes", "Network", "Alerts"} <= {row[1] for row in table["rows"]}


def test_bars_of_one_lane_do_not_cover_each_other():
    it = story()
    bars = [Bar(it.at, it.at + timedelta(seconds=9), "base", f"bar {number}") for number in range(3)]
    window = Window(it.at, it.at + timedelta(seconds=10))
    figure = drawn([Lane("Tool calls", bars=bars)], window)
    assert sorted(figure["data"][0]["y"]) == [0, 1, 2]


def test_another_hosts_lanes_can_be_asked_for_but_only_of_this_incident():
    it, other = story("gpu-a12-01"), story("gpu-b07-01")
    client = browser("mei")
    address = f"/incidents/{it.incident.pk}/figure/?host="
    mine = client.get(address + str(it.host.pk)).json()
    assert client.get(address + str(other.host.pk)).json() == mine
    assert client.get(address + "abc").json() == mine


def test_the_run_has_its_own_lanes():
    it = story()
    figure = run_chart.figure(it.run, window="run")
    accepted(figure)
    assert names(figure) == ["Tool calls", "Alerts", "GPU by process"]
