"""The queue. Tasks carry ids only; what is owed stands in the database."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hikiproject.settings")
app = Celery("hikiproject")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
