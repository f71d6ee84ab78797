"""Foreign keys keep no index of their own where another begins with them: each cost every insert."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("fleet", "0001_first"),
        ("telemetry", "0002_storage"),
    ]

    operations = [
        migrations.AlterField(
            model_name="batch",
            name="agent",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="batches",
                to="fleet.hostagent",
            ),
        ),
        migrations.AlterField(
            model_name="connection",
            name="batch",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="telemetry.batch",
            ),
        ),
        migrations.AlterField(
            model_name="connection",
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
            model_name="connection",
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
        migrations.AlterField(
            model_name="event",
            name="batch",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="telemetry.batch",
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="host",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="fleet.host"
            ),
        ),
        migrations.AlterField(
            model_name="gpusample",
            name="host",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="fleet.host"
            ),
        ),
        migrations.AlterField(
            model_name="process",
            name="host",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="fleet.host"
            ),
        ),
        migrations.AlterField(
            model_name="process",
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
        migrations.AlterField(
            model_name="toolcall",
            name="host",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="fleet.host",
            ),
        ),
        migrations.AlterField(
            model_name="toolcall",
            name="run",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="tool_calls",
                to="fleet.trainingrun",
            ),
        ),
    ]
