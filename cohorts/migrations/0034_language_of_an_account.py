from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cohorts", "0033_acceptance_limits")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="language",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Of pages and mails; empty until the person has chosen one.",
                max_length=12,
            ),
            preserve_default=False,
        )
    ]
