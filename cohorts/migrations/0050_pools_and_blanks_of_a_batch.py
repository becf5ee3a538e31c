# Whether a batch has pools or blanks is asked of each that comes in.

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # tables are accepted meanwhile

    dependencies = [("cohorts", "0049_mails")]

    operations = [
        AddIndexConcurrently(
            model_name="assayrow",
            index=models.Index(
                condition=models.Q(("sample_type", "study"), _negated=True),
                fields=["batch"],
                name="pool_or_blank_of_a_batch",
            ),
        ),
    ]
