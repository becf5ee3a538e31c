"""What the consortium concludes."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from cohorts.language import spoken_names


class AnalysisConfig(AppConfig):
    name = "analysis"
    verbose_name = _("Analyses and verdicts")

    def ready(self) -> None:
        from analysis.services import freshness
        from cohorts.models import change

        spoken_names.mark(self)

        # cohorts never imports analysis: it announces, and this app listens.
        change.recorded.connect(freshness.nudge, dispatch_uid="analysis.nudge")
