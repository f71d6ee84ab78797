"""Ordering from the browser: exact targets, a reason, the typed name; and the page of the order."""

import json

import pytest
from django.urls import reverse

from apps.audit.models import AuditEntry
from apps.core.text import typable
from apps.fleet.models import TrainingRun
from apps.response.models import ContainmentOrder, OrderTarget
from tests.console.cast import Story, browser, person, story
from tests.response.cast import machine, place, run

pytestmark = pytest.mark.django_db


def dialog(client, training: TrainingRun, action: str = "KILL") -> dict:
    answer = client.get(reverse("contain", args=[training.pk]), {"action": action})
    assert answer.status_code == 200
    return answer.context


def send(client, training: TrainingRun, seen: dict, **given):
    data = {
        "action": "KILL", "reason": "tunnel out", "typed_name": typable(training.name),
        "digest": seen["digest"], "idempotency_key": seen["idempotency_key"],
    }  # fmt: skip
    headers = {"HX-Request": "true"}
    return client.post(reverse("contain", args=[training.pk]), data | given, headers=headers)


def test_the_dialog_names_exactly_the_targets_that_the_order_goes_to():
    one, two = machine("gpu-a12-01"), machine("gpu-a12-02")
    training = run(one, two)
    ana = browser("ana")
    seen = dialog(ana, training)
    assert [target["host"].name for target in seen["targets"]] == ["gpu-a12-01", "gpu-a12-02"]
    answer = send(ana, training, seen)
    order = ContainmentOrder.objects.get()
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, f"/orders/{order.pk}/")
    assert {target.host.name for target in order.targets.all()} == {"gpu-a12-01", "gpu-a12-02"}
    assert order.parameters_digest == seen["digest"]


def test_pressing_twice_orders_once():
    training = run(machine())
    ana = browser("ana")
    seen = dialog(ana, training)
    assert (
        send(ana, training, seen).headers["HX-Redirect"] == send(ana, training, seen).headers["HX-Redirect"]
    )
    assert ContainmentOrder.objects.count() == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"reason": "  "}, "reason"),
        ({"typed_name": "kestrel-32"}, "type its name"),
        ({"typed_name": ""}, "type its name"),
        ({"digest": "0" * 64}, "look at the targets again"),
        ({"idempotency_key": ""}, "idempotency"),
    ],
)
def test_what_is_refused_sends_nothing_and_keeps_what_was_typed(given: dict, words: str):
    training = run(machine())
    ana = browser("ana")
    answer = send(ana, training, dialog(ana, training), **{"reason": "tunnel out"} | given)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "Nothing was sent" in page
    assert words in page
    assert given.get("reason", "tunnel out").strip() in page
    assert not ContainmentOrder.objects.exists()


def test_a_run_that_moved_to_another_host_has_to_be_looked_at_again():
    training = run(machine("gpu-a12-01"))
    ana = browser("ana")
    seen = dialog(ana, training)
    place(training, machine("gpu-a12-02"))
    refused = send(ana, training, seen)
    assert refused.status_code == 422
    assert send(ana, training, refused.context).status_code == 204
    assert ContainmentOrder.objects.get().targets.count() == 2


@pytest.mark.parametrize(
    "name", ["kestrel ", " kestrel", "kes\u202etrel", "kes\x1b[2Ktrel", "kes  trel", "kes\ttrel"]
)
def test_no_name_keeps_a_run_from_being_killed(name: str):
    """Whoever names a run could be the one who must be stopped."""
    training = run(machine(), name=name)
    ana = browser("ana")
    seen = dialog(ana, training)
    assert seen["typed_as"].isprintable()
    assert send(ana, training, seen, typed_name=seen["typed_as"]).status_code == 204


def test_a_responder_can_neither_open_the_dialog_nor_order():
    training = run(machine())
    seen = dialog(browser("ana"), training)
    jonas = browser("jonas")
    assert jonas.get(reverse("contain", args=[training.pk])).status_code == 403
    assert send(jonas, training, seen).status_code == 403
    assert not ContainmentOrder.objects.exists()


def test_an_incident_that_does_not_exist_is_no_cause():
    training = run(machine())
    ana = browser("ana")
    assert send(ana, training, dialog(ana, training), incident="999").status_code == 404


def test_the_order_names_its_incident_and_the_trail_its_orderer():
    it: Story = story()
    ana = browser("ana")
    send(ana, it.run, dialog(ana, it.run), incident=str(it.incident.pk))
    order = ContainmentOrder.objects.get()
    assert (order.incident, order.by) == (it.incident, person("ana"))
    entry = AuditEntry.objects.get(action="order.issued")
    assert entry.by_name == "ana"
    page = browser("mei").get(f"/incidents/{it.incident.pk}/panel/containment/").content.decode()
    assert order.number in page


def ordered(*stages: str, action: str = "KILL") -> ContainmentOrder:
    machines = [machine(f"gpu-a12-{place:02d}") for place in range(len(stages))]
    training = run(*machines)
    ana = browser("ana")
    seen = dialog(ana, training, action)
    send(ana, training, seen, action=action)
    order = ContainmentOrder.objects.get()
    for target, stage in zip(order.targets.order_by("pk"), stages, strict=True):
        OrderTarget.objects.filter(pk=target.pk).update(stage=stage)
    return order


def verdict(order: ContainmentOrder) -> dict:
    return browser("mei").get(f"/orders/{order.pk}/").context["verdict"]


@pytest.mark.parametrize(
    ("stages", "tone", "lead"),
    [
        (["VERIFIED", "VERIFIED"], "ok", "Verified dead."),
        (["VERIFIED", "UNREACHABLE"], "bad", "Not contained."),
        (["VERIFIED", "SURVIVED"], "bad", "Not contained."),
        (["VERIFIED", "NOT_CONFIRMED"], "late", "Not contained."),
        (["VERIFIED", "EXPIRED"], "late", "Not contained."),
        (["VERIFIED", "REFUSED"], "bad", "Not contained."),
        (["VERIFIED", "WATCHING"], "wait", "Not verified yet."),
        (["WATCHING", "SIGNALLED"], "wait", "Not contained yet."),
        (["REQUESTED", "DELIVERED"], "wait", "Not contained yet."),
        (["CANCELLED"], "late", "Not contained."),
    ],
)
def test_the_verdict_is_contained_only_when_every_host_has_proved_it(stages: list[str], tone: str, lead: str):
    found = verdict(ordered(*stages))
    assert (found["tone"], found["lead"]) == (tone, lead)


def test_the_worst_host_stands_first_and_loud():
    order = ordered("VERIFIED", "WATCHING", "UNREACHABLE")
    page = browser("mei").get(f"/orders/{order.pk}/")
    assert [row["stage"] for row in page.context["targets"]] == ["UNREACHABLE", "WATCHING", "VERIFIED"]
    assert "Treat the run as alive there" in page.content.decode()
    assert 'class="loud"' in page.content.decode()


def test_a_host_that_signed_nothing_shows_no_probe_as_passed():
    order = ordered("UNREACHABLE")
    row = browser("mei").get(f"/orders/{order.pk}/").context["targets"][0]
    assert {probe["kind"] for probe in row["probes"]} == {"none"}
    assert [beat["kind"] for beat in row["beats"]] == ["lostit", "to", "to", "to"]


def test_the_bundle_can_be_checked_without_the_server():
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from apps.core.keys import unb64
    from apps.response.services import receive

    one = machine()
    training = run(one)
    ana = browser("ana")
    send(ana, training, dialog(ana, training))
    target = OrderTarget.objects.get()
    receive(one.agent, *one.receipt(target, "DELIVERED"))
    bundle = json.loads(browser("otto").get(f"/orders/{target.order_id}/receipts.json").content)
    part = bundle["targets"][0]
    server, host = (
        Ed25519PublicKey.from_public_bytes(unb64(key)) for key in (bundle["server_key"], part["host_key"])
    )
    order, receipt = part["order"], part["receipts"][0]
    server.verify(unb64(order["signature"]), b"sentinel-order/v1\n" + order["payload"].encode())
    host.verify(unb64(receipt["signature"]), b"sentinel-receipt/v1\n" + receipt["payload"].encode())
