from django.db import migrations

OPEN_ORDERS = """
UPDATE cohorts_destruction ordered SET held_at_id = tube.held_at_id
FROM cohorts_sample tube
WHERE ordered.sample_id = tube.id AND ordered.approved_at IS NULL
  AND tube.held_at_id <> tube.site_id
"""


class Migration(migrations.Migration):
    """Orders that are open already go to the laboratory that has the tube."""

    dependencies = [
        ('cohorts', '0057_destruction_of_received_tubes'),
    ]

    operations = [
        migrations.RunSQL(OPEN_ORDERS, migrations.RunSQL.noop),
    ]
