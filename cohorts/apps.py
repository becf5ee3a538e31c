"""What the sites record."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from cohorts.language import spoken_names


class CohortsConfig(AppConfig):
    name = "cohorts"
    verbose_name = _("The study's records")

    def ready(self) -> None:
        spoken_names.mark(self)
