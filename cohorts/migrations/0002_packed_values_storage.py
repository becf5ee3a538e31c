"""Packed values stay uncompressed: float64 hardly compresses, and reading them is the hot path."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("cohorts", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE cohorts_assayrow ALTER COLUMN packed_values SET STORAGE EXTERNAL,"
            " ALTER COLUMN packed_flags SET STORAGE EXTENDED",
            migrations.RunSQL.noop,
        )
    ]
