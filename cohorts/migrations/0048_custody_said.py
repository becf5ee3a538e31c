# What was written by hand of a custody step is found at once when somebody is erased.

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # tubes are handled meanwhile

    dependencies = [
        ("cohorts", "0047_audit_chain"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='custodyevent',
            index=models.Index(condition=models.Q(('kind', 'measured')), fields=['sample'], name='custody_said'),
        ),
        AddIndexConcurrently(
            model_name='custodyeventevent',
            index=models.Index(condition=models.Q(('kind', 'measured')), fields=['pgh_id'], name='custodyevent_event_said'),
        ),
    ]
