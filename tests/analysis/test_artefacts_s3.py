"""A bucket serves as well as a folder: spoken to as S3, answered by moto's server."""

from __future__ import annotations

import socket

import numpy as np
import pytest
from django.core.files.storage import storages
from moto.server import ThreadedMotoServer

from analysis.models import Run
from analysis.services import artefacts, parts, reproduction, runs
from hikiproject import bucket as bucket_
from hikiproject.artefacts import storage_of
from tests.analysis.test_parts import Helper, shared_always  # noqa: F401 - a fixture

BUCKET = "parts"


@pytest.fixture
def bucket(settings, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    place = storage_of(f"s3://{BUCKET}/hiki", f"http://{host}:{port}")
    settings.STORAGES = settings.STORAGES | {"artefacts": place}
    storages[artefacts.STORAGE].connection.create_bucket(Bucket=BUCKET)
    yield storages[artefacts.STORAGE]
    server.stop()


def test_an_artefact_comes_back_from_a_bucket_and_goes_with_its_folder(bucket):
    name = artefacts.save("run/token", "digest", np.arange(3.0))
    assert artefacts.load(name).tolist() == [0, 1, 2]
    artefacts.remove("run")
    assert bucket.listdir("") == ([], [])
    with pytest.raises(FileNotFoundError):
        artefacts.load(name)


def test_a_bucket_that_is_silent_is_not_waited_for(settings, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(bucket_, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = storage_of(f"s3://{BUCKET}", f"http://127.0.0.1:{silent.getsockname()[1]}")
        settings.STORAGES = settings.STORAGES | {"artefacts": place}
        with pytest.raises(artefacts.StorageAway, match="Timeout"):
            artefacts.save("run/token", "digest", np.arange(3.0))
        with pytest.raises(artefacts.StorageAway, match="Timeout"):
            artefacts.remove_left_over()


@pytest.mark.django_db(transaction=True)
def test_workers_share_a_run_through_a_bucket(bucket, plan, consortium):
    run = runs.request(plan, cause="test")
    with Helper(run.pk) as helper:
        runs.execute(run.pk)
    run = Run.objects.select_related("plan__study", "snapshot").get(pk=run.pk)
    assert helper.n_done > 0
    assert reproduction.reproduce(run).differences == ()
    parts.remove_left_over()
    assert bucket.listdir("") == ([], [])
