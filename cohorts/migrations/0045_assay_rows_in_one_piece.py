"""A row of up to a thousand values lies in its page: in pieces beside it, it took longer to write.

The index on the batch alone told nothing that the one of batch and sample does not.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cohorts", "0044_consent_form_days")]

    operations = [
        migrations.AlterField(
            model_name="assayrow",
            name="batch",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="rows",
                to="cohorts.assaybatch",
            ),
        ),
        migrations.RunSQL(
            "ALTER TABLE cohorts_assayrow SET (toast_tuple_target = 8160)",
            "ALTER TABLE cohorts_assayrow RESET (toast_tuple_target)",
        ),
    ]
