"""The queue. Tasks carry ids only; what is owed stands in the database."""

import gc
import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hikiproject.settings")
app = Celery("hikiproject")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
def leave_what_is_loaded(**_signal: Any) -> None:
    """Modules stay for ever: to look through them for garbage takes 0.1 s, again and again."""
    gc.collect()
    gc.freeze()
