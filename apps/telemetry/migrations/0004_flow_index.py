"""Flows that a sensor on the wire reports are looked up by both ends, and by the far one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("fleet", "0001_first"),
        ("telemetry", "0003_leaner_indexes"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="connection",
            index=models.Index(
                condition=models.Q(("remote", ""), _negated=True),
                fields=["local", "remote", "-opened_at"],
                name="telemetry_conn_by_ends",
            ),
        ),
        migrations.AddIndex(
            model_name="connection",
            index=models.Index(
                condition=models.Q(("remote", ""), _negated=True),
                fields=["remote", "-opened_at"],
                name="telemetry_conn_by_remote",
            ),
        ),
    ]
