"""The queue. Tasks carry ids only; what is owed stands in the database."""

import os

from celery import Celery
from celery.signals import celeryd_after_setup

from hikiproject.broker import refuse_a_wrong_broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hikiproject.settings")
app = Celery("hikiproject")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
celeryd_after_setup.connect(
    lambda instance=None, **signal: refuse_a_wrong_broker(sender=instance), weak=False
)
