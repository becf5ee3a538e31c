"""The file of a table that is refused for personal data is not kept."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cohorts", "0040_readable_cut_offs")]

    operations = [
        migrations.AddField(
            model_name="upload",
            name="file_removed_at",
            field=models.DateTimeField(
                blank=True, editable=False, null=True, verbose_name="file removed at"
            ),
        ),
    ]
