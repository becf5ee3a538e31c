"""django-import-export on a long assay table: a row a value, in bulk, as its documents advise.

Run by `benchmarks.records` with the peers' Python: it shares no module with this project, and
prints the seconds from a CSV to accepted rows in a table of its own, which it removes.
"""

import os
import random
import sys
import time
from urllib.parse import unquote, urlsplit

import django
from django.conf import settings

SAMPLES = 100


def _database(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": parts.port or "",
    }


def _table(n_values: int) -> str:
    rng = random.Random(1)  # noqa: S311 - values to store, no secret
    lines = []
    for n in range(n_values):
        feature, sample = divmod(n, SAMPLES)
        lines.append(f"S{sample},metabolite {feature},{rng.lognormvariate(0, 1):.6f}")
    return "\n".join(["sample,feature,value", *lines])


def measure(n_values: int) -> float:
    """Seconds of an import of so many values."""
    settings.configure(
        DATABASES={"default": _database(os.environ["DATABASE_URL"])},
        INSTALLED_APPS=["import_export"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()
    import tablib
    from django.db import connection, models
    from import_export import resources

    class PeerValue(models.Model):
        sample = models.CharField(max_length=64)
        feature = models.CharField(max_length=200)
        value = models.FloatField()

        class Meta:
            app_label = "import_export"

    class PeerValues(resources.ModelResource):
        class Meta:
            model = PeerValue
            fields = ("sample", "feature", "value")
            import_id_fields = ()
            use_bulk, batch_size = True, 1000
            skip_diff, force_init_instance = True, True

    with connection.schema_editor() as editor:
        editor.create_model(PeerValue)
    try:
        text = _table(n_values)
        began = time.perf_counter()
        found = PeerValues().import_data(tablib.Dataset().load(text, format="csv"), dry_run=False)
        took = time.perf_counter() - began
        assert not found.has_errors()
        assert PeerValue.objects.count() == n_values
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(PeerValue)
    return took


if __name__ == "__main__":
    print(measure(int(sys.argv[1])))
