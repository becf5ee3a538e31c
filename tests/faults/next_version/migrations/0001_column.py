from django.db import migrations


class Migration(migrations.Migration):
    """A column that code of before need not know: it may be empty."""

    dependencies = [("cohorts", "0001_initial")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE cohorts_participant ADD COLUMN next_note text NULL",
            "ALTER TABLE cohorts_participant DROP COLUMN next_note",
        )
    ]
