from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("analysis", "0018_names_of_results")]

    operations = [
        migrations.AddField("runtable", "people", models.BinaryField(null=True)),
    ]
