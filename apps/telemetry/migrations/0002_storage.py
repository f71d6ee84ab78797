"""Bodies are stored as sent (they are compressed already), and the busy inbox is vacuumed early."""

from django.db import migrations

FORWARD = """
ALTER TABLE telemetry_batch ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE telemetry_batch SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
"""
BACKWARD = """
ALTER TABLE telemetry_batch RESET (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
ALTER TABLE telemetry_batch ALTER COLUMN body SET STORAGE EXTENDED;
"""


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0001_first")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
