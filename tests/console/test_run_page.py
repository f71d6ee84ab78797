"""The run page: calls page by page, alerts beside the contract, GPU use and why it is not known."""

import re
from datetime import timedelta
from urllib.parse import unquote

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from apps.audit.services import By
from apps.console.charts import gpus
from apps.console.charts.lanes import Window
from apps.console.panels.run import gpu_gap
from apps.fleet import contracts
from apps.fleet.contract import of
from apps.fleet.models import HostAgent, RunContract
from apps.telemetry.models import Connection, GpuSample, Process, ToolCall
from tests.console.cast import Story, browser, story

pytestmark = pytest.mark.django_db
ABOUT = re.compile(r'data-about="call:(\d+)"')


def more_calls(it: Story, number: int) -> None:
    ToolCall.objects.bulk_create(
        ToolCall(
            run=it.run, trace_id=f"{place:032x}", span_id="0" * 16, name="bash" if place % 2 else "python",
            arguments=f'{{"command": "make target-{place}"}}', arguments_captured=True, received_at=it.at,
            started_at=it.at + timedelta(milliseconds=place // 3), ended_at=it.at + timedelta(minutes=1),
        )
        for place in range(number)
    )  # fmt: skip


def listed(it: Story, **query) -> tuple[list[int], str]:
    answer = browser("mei").get(reverse("run_calls", args=[it.run.pk]), query).content.decode()
    return [int(pk) for pk in ABOUT.findall(answer)], answer


def test_the_pages_of_the_calls_hold_each_call_once():
    it = story()
    more_calls(it, 100)
    found, answer = listed(it)
    while older := re.search(r"\?before=([^\"]+)\"", answer):
        page, answer = listed(it, before=unquote(older[1]))
        found += page
    assert len(found) == len(set(found)) == 101


def test_calls_are_filtered_by_tool_text_and_alerts():
    it = story()
    more_calls(it, 50)
    assert len(listed(it, tool="bash")[0]) == 25
    assert len(listed(it, text="TARGET-49")[0]) == 1
    assert listed(it, alerts="1")[0] == [it.call.pk]
    assert "No call like that among the newest" in listed(it, text="100% _nowhere")[1]


@pytest.mark.parametrize("before", ["x", "~", "2026-11-24T00:00:00~1", "\x00~9", "9" * 80, "2026-99-99T0~1"])
def test_a_cursor_that_is_none_is_the_first_page(before: str):
    it = story()
    assert listed(it, before=before)[0] == [it.call.pk]


def test_an_alert_is_told_as_a_difference_and_never_hidden():
    it = story()
    Connection.objects.update(remote="198.51.100.7:443")
    Process.objects.filter(pk=it.process.pk).update(exe="/usr/bin/ssh")
    page = reverse("run_panel", args=[it.run.pk, "alerts"])
    assert "contractline" not in browser("mei").get(page).content.decode()
    contracts.set_contract(it.run, contracts.Change(
        of({"destinations": ["10.0.0.0/8"], "programs": ["ssh"]}), "what was reviewed", None, 0,
    ), by=By("person", "ana"))  # fmt: skip
    RunContract.objects.update(made_at=it.at - timedelta(hours=1))
    answer = browser("mei").get(page).content.decode()
    assert "destination 198.51.100.7:443 is not among the 1 allowed" in answer
    assert "1 of these 1 is outside the contract" in answer
    RunContract.objects.update(body={"destinations": ["198.51.100.0/24"], "programs": ["ssh"]})
    for address in (page, reverse("incident_panel", args=[it.incident.pk, "evidence"])):
        answer = browser("mei").get(address).content.decode()
        assert "Within contract" in answer
        assert "since" in answer and "by ana" in answer
    assert f"alert:{it.alerts[0].pk}" in answer


def test_a_contract_is_set_from_the_page_and_nothing_is_lost_when_it_is_not():
    it, ana = story(), browser("ana")
    address = reverse("run_contract", args=[it.run.pk])
    wrong = {"text": "destinations: [nowhere]", "reason": "typed at length", "until": "", "version": "0"}
    answer = ana.post(address, wrong)
    assert answer.status_code == 422
    shown = answer.content.decode()
    for kept in ("destinations: [nowhere]", "typed at length", "Names are not taken"):
        assert kept in shown
    file = SimpleUploadedFile("c.yaml", b"programs: [git]\n")
    assert ana.post(address, wrong | {"file": file}, headers={"HX-Request": "true"}).status_code == 204
    assert RunContract.objects.get().body == {"programs": ["git"]}
    answer = ana.post(address, wrong | {"text": "programs: []"})
    assert answer.status_code == 422
    assert "ana was first: version 1" in answer.content.decode()
    assert "programs: []" in answer.content.decode()
    for bad in ({"until": "soon"}, {"version": "x"}, {"text": "\x00"}, {"reason": "\x00"}):
        answer = ana.post(address, wrong | {"text": "programs: []", "version": "1"} | bad)
        assert answer.status_code == 422, bad


def test_the_contract_is_told_in_words_with_its_owner_end_and_history():
    it = story()
    by = By("person", "ana")
    contracts.set_contract(
        it.run, contracts.Change(of({"programs": []}), "nothing yet at all", None, 0), by=by
    )
    end = timezone.now() + timedelta(hours=2)
    contracts.set_contract(
        it.run, contracts.Change(of({"programs": ["git"]}), "for the mirror", end, 1), by=by
    )
    answer = browser("mei").get(reverse("run_panel", args=[it.run.pk, "contract"])).content.decode()
    for piece in (
        "Version 2",
        "by ana",
        "then version 1",
        "for the mirror",
        "git",
        "2 versions",
        "nothing yet",
    ):
        assert piece in answer, piece
    assert "Change…" not in answer
    assert "Change…" in browser("ana").get(reverse("run", args=[it.run.pk])).content.decode()


def test_a_contract_that_the_launch_told_wrongly_is_said():
    it = story()
    it.run.contract = {"egress": ["<b>x"]}
    it.run.save()
    answer = browser("mei").get(reverse("run_panel", args=[it.run.pk, "contract"])).content.decode()
    assert "cannot be read" in answer and "egress" in answer


def sample(
    it: Story, pid: int, second: int, *, own: bool, gpu: int = 0, share: float | None = 40.0
) -> GpuSample:
    at = it.at + timedelta(seconds=second)
    return GpuSample(
        host=it.host, run=it.run if own else None, gpu_uuid=f"GPU-{gpu}", pid=pid, start_ticks=pid,
        memory_bytes=2 * 2**30, sm_percent=share, occurred_at=at, received_at=at,
    )  # fmt: skip


def test_gpu_use_is_drawn_by_process_in_shares_of_all_gpus_and_in_memory():
    it = story()
    GpuSample.objects.all().delete()
    rows = [sample(it, it.process.pid, second, own=True, gpu=gpu) for second in (1, 21) for gpu in (0, 1)]
    GpuSample.objects.bulk_create([*rows, sample(it, 900, 1, own=False, gpu=1, share=30.0)])
    GpuSample.objects.filter(pid=it.process.pid).update(start_ticks=it.process.start_ticks)
    figure = gpus.figure(it.run, it.host, Window(it.at, it.at + timedelta(seconds=30)))
    by_name = {
        (trace["yaxis"], trace["name"].split(",")[0]): trace for trace in figure["data"] if "name" in trace
    }
    assert by_name["y", "ssh 'ssh -fN -R 0.0.0.0:2222:localhost:22'"[:40]]["y"] == [40.0, 40.0]
    assert by_name["y", "pid 900"]["y"] == [15.0]
    assert by_name["y2", "pid 900"]["y"] == [2.0]
    assert by_name["y", "pid 900"]["marker"]["color"] == "$chart-foreign"
    (unseen,) = [trace for trace in figure["data"] if trace["marker"].get("pattern")]
    assert unseen["hovertext"] == ["no sample arrived"]
    assert figure["table"]["refs"][0] == f"process:{it.process.pk}"


def test_a_gpu_that_changed_hands_is_not_used_twice():
    it = story()
    GpuSample.objects.all().delete()
    GpuSample.objects.bulk_create(
        [sample(it, 5, 1, own=True, share=90.0), sample(it, 6, 6, own=False, share=80.0)]
    )
    data = gpus.figure(it.run, it.host, Window(it.at, it.at + timedelta(seconds=30)))["data"]
    assert [trace["y"] for trace in data if trace["yaxis"] == "y"] == [[45.0], [40.0]]


def test_a_driver_that_tells_no_share_is_no_idle_gpu():
    it = story()
    GpuSample.objects.all().delete()
    sample(it, 5, 1, own=True, share=None).save()
    figure = gpus.figure(it.run, it.host, Window(it.at, it.at + timedelta(seconds=30)))
    assert [trace["y"] for trace in figure["data"]] == [[], [2.0]]
    assert figure["table"]["rows"][0][2] == "not told"


def test_many_processes_are_drawn_as_a_few_and_told_as_more():
    it = story()
    GpuSample.objects.bulk_create(sample(it, pid, 1, own=False, share=1.0) for pid in range(1_000, 1_040))
    answer = browser("mei").get(reverse("run_gpus", args=[it.run.pk]), {"window": "run"})
    assert len(answer.content) < 20_000
    assert "foreign" in answer.content.decode() and "more foreign" in answer.content.decode()


def test_why_gpu_use_is_not_known_is_told_in_the_sensors_words():
    it = story()
    assert gpu_gap(it.run) == []
    GpuSample.objects.all().delete()
    blind = {"gpu": {"mode": "off", "ok": True, "blind": "No GPU is read here: no GPU device on this host."}}
    HostAgent.objects.update(sensors=blind)
    page = browser("mei").get(reverse("run", args=[it.run.pk])).content.decode()
    assert "No GPU is read here: no GPU device on this host." in page
    assert 'id="gpus"' not in page
    HostAgent.objects.update(sensors={"gpu": "odd"})
    assert gpu_gap(it.run)[0]["says"] == "its host agent tells of no GPU sensor."
    HostAgent.objects.update(state="revoked")
    assert gpu_gap(it.run)[0]["says"] == "no host agent speaks for it."
