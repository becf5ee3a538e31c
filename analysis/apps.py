"""What the consortium concludes."""

from django.apps import AppConfig


class AnalysisConfig(AppConfig):
    name = "analysis"
    verbose_name = "Analyses and verdicts"

    def ready(self) -> None:
        from analysis.services import freshness
        from cohorts.models import change

        # cohorts never imports analysis: it announces, and this app listens.
        change.recorded.connect(freshness.nudge, dispatch_uid="analysis.nudge")
