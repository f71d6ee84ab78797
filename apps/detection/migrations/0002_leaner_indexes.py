"""Foreign keys keep no index of their own where another begins with them: each cost every insert."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("detection", "0001_first"),
        ("fleet", "0001_first"),
        ("telemetry", "0002_storage"),
    ]

    operations = [
        migrations.AlterField(
            model_name="alert",
            name="batch",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="telemetry.batch",
            ),
        ),
        migrations.AlterField(
            model_name="alert",
            name="connection",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="telemetry.connection",
            ),
        ),
        migrations.AlterField(
            model_name="alert",
            name="host",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="fleet.host"
            ),
        ),
        migrations.AlterField(
            model_name="alert",
            name="process",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="telemetry.process",
            ),
        ),
        migrations.AlterField(
            model_name="alert",
            name="run",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="fleet.trainingrun",
            ),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(
                condition=models.Q(("process__isnull", False)),
                fields=["process"],
                name="detection_alert_by_process",
            ),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(
                condition=models.Q(("connection__isnull", False)),
                fields=["connection"],
                name="detection_alert_by_conn",
            ),
        ),
    ]
