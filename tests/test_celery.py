"""The processes of a worker."""

import gc

from celery.signals import worker_process_init

from hikiproject.celery import leave_what_is_loaded


def test_a_workers_process_no_longer_looks_for_garbage_in_what_it_has_loaded():
    connected = [receiver for _, receiver in worker_process_init.receivers]
    assert leave_what_is_loaded in [getattr(one, "__call__", one)() for one in connected]
