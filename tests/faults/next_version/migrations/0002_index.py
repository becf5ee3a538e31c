from django.db import migrations


class Migration(migrations.Migration):
    """Built beside those who write, which no transaction can."""

    atomic = False
    dependencies = [("next_version", "0001_column")]
    operations = [
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY next_note_at_site ON cohorts_participant (site_id, next_note)",
            "DROP INDEX CONCURRENTLY next_note_at_site",
        )
    ]
