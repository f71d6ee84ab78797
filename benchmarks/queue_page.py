"""The queue and the incident page over a large table, beside what they do not do.

    python -m benchmarks.queue_page [alerts] [requests]

Server side: a request through all of Django, from the middleware to the rendered page, in one process. The
alerts lie under 400 open incidents (one holds a tenth of them all) and 5,000 closed ones. Beside it, in the
same run and over the same rows: count(*), OFFSET and ILIKE, which a page by numbers would need.
"""

import sys
import time
from collections.abc import Callable
from datetime import timedelta

from benchmarks.ground import ground, percentile

OPEN, CLOSED = 400, 5_000
# Alerts in order of receipt over a day, the last tenth of them in the last hour.
FILL = """
INSERT INTO detection_alert (rule_id, level, title, host_id, run_id, batch_id, position, occurred_at,
                             received_at, correlation_key, drill, detail)
SELECT %(rule)s, 'high', 'Reverse SSH tunnel in use', %(host)s, %(run)s, %(batch)s, n, at, at,
       decode(md5((CASE WHEN n %% 10 = 0 THEN 1 ELSE n %% %(keys)s END)::text), 'hex'), false, '{}'
FROM (SELECT n, %(now)s::timestamptz - CASE
        WHEN n < %(alerts)s * 0.9 THEN interval '1 hour' + interval '23 hours' * (1 - n / (%(alerts)s * 0.9))
        ELSE interval '1 hour' * (1 - (n - %(alerts)s * 0.9) / (%(alerts)s * 0.1)) END AS at
      FROM generate_series(1, %(alerts)s) AS n) AS made
"""
INCIDENTS = """
INSERT INTO incidents_incident (title, behaviour, technique, level, rank, status, run_id, drill, origin,
       confidence, alert_count, first_alert_at, last_alert_at, opened_at, changed_at, closed_at, verdict,
       version)
SELECT 'Reverse tunnel in run ' || n, 'tunnel', '', 'high', 1 + n %% 5,
       CASE WHEN n <= %(closed)s THEN 'closed' WHEN n %% 2 = 0 THEN 'new' ELSE 'taken' END, %(run)s, false,
       'model', 97, 1, %(now)s, %(now)s, %(now)s, %(now)s,
       CASE WHEN n <= %(closed)s THEN %(now)s - n * interval '1 minute' END, '', 1
FROM generate_series(1, %(closed)s + %(open)s) AS n ORDER BY n
"""
SPANS = """
INSERT INTO incidents_incidentspan (incident_id, key, first_alert_id, last_alert_id)
SELECT id, decode(md5((row_number() OVER (ORDER BY id) - 1)::text), 'hex'), 1, NULL
FROM incidents_incident WHERE status <> 'closed'
"""
HOSTS = """
INSERT INTO incidents_incidenthost (incident_id, host_id)
SELECT id, %(host)s FROM incidents_incident ON CONFLICT DO NOTHING
"""
NAIVE = {
    "count(*) of all alerts": "SELECT count(*) FROM detection_alert",
    "page 2,000 by OFFSET": "SELECT * FROM detection_alert ORDER BY received_at DESC LIMIT 50 OFFSET 100000",
    "ILIKE over titles": "SELECT count(*) FROM detection_alert WHERE title ILIKE '%nowhere%'",
}


def main(alerts: int, requests: int) -> None:
    with ground():
        from django.test import Client

        from tests.console.cast import browser

        biggest = fill(alerts)
        client: Client = browser("ana")
        pages = {
            "queue": "/",
            "queue, next page": "/?after=new.4.99999",
            "queue, escalating": "/?state=escalating",
            "queue, closed": "/?state=closed",
            "counts alone": "/queue/counts/",
            "50 rows by name": "/queue/rows/?ids=" + ",".join(map(str, range(biggest, biggest + 50))),
            "largest incident": f"/incidents/{biggest}/",
            "its figure": f"/incidents/{biggest}/figure/",
        }
        print(f"| {alerts:,} alerts, {requests} requests | p50 ms | p95 ms | max ms |\n|---|---|---|---|")
        for name, address in pages.items():
            line(name, lambda address=address: _ask(client, address), requests)
        for name, sql in NAIVE.items():
            line(f"not done: {name}", lambda sql=sql: _run(sql), 3)


def fill(alerts: int) -> int:
    """Rows as ingest leaves them; the answer is the id of the incident with the most."""
    from django.db import connection
    from django.utils import timezone

    from apps.incidents.models import Incident
    from tests.console.cast import story

    it = story()
    given = {
        "rule": it.rule.pk, "host": it.host.pk, "run": it.run.pk, "batch": it.batch.pk, "alerts": alerts,
        "keys": OPEN, "open": OPEN, "closed": CLOSED, "now": timezone.now() - timedelta(seconds=5),
    }  # fmt: skip
    Incident.objects.filter(pk=it.incident.pk).update(status="closed", closed_at=timezone.now())
    with connection.cursor() as cursor:
        for statement in (FILL, INCIDENTS, SPANS, HOSTS):
            cursor.execute(statement, given)
        cursor.execute("VACUUM ANALYZE")
    return int(Incident.objects.exclude(status="closed").order_by("pk").values_list("pk", flat=True)[1])


def line(name: str, act: Callable[[], None], times: int) -> None:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        took.append((time.perf_counter() - began) * 1000)
    p50, p95 = percentile(took, 0.5), percentile(took, 0.95)
    print(f"| {name} | {p50:.1f} | {p95:.1f} | {max(took):.1f} |", flush=True)


def _ask(client: object, address: str) -> None:
    answer = client.get(address, headers={"host": "localhost"})  # type: ignore[attr-defined]
    assert answer.status_code == 200, (address, answer.status_code)


def _run(sql: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql)
        cursor.fetchall()


if __name__ == "__main__":
    alerts, requests = ([int(given) for given in sys.argv[1:]] + [1_000_000, 60][len(sys.argv) - 1 :])[:2]
    main(alerts, requests)
