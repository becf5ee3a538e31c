"""The processes of a worker."""

from __future__ import annotations

import gc

from celery.signals import worker_process_init


def test_a_workers_process_no_longer_looks_for_garbage_in_what_it_has_loaded():
    before = gc.get_freeze_count()
    try:
        worker_process_init.send(sender=None)
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()
