"""The project as an app, so that its management commands are found."""

from django.apps import AppConfig


class HikiprojectConfig(AppConfig):
    name = "hikiproject"

    def ready(self) -> None:
        # The Celery app must exist before any task is sent from this process.
        from hikiproject import celery  # noqa: F401 - its import is its effect
