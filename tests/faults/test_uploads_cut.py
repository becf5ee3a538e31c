"""An upload whose web process is killed, or whose connection is cut: there wholly or not at all."""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
import time
from datetime import timedelta
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db.models import F
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from rest_framework.test import APIClient

from cohorts.models import ApiToken, Change, Participant, SentRequest, Upload
from cohorts.services.tables import files
from tests.factories import SiteFactory, user_with
from tests.faults import children
from tests.faults.test_locks import table
from tests.faults.test_worker import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
# `python3 manage.py faults` kills at more points: each starts a reader of files anew.
POINTS = 20 if "HIKI_FAULT_KILLS" in os.environ else 3
SLOW_DISK_SECONDS = 0.3
CUTS = 4
URL = "/api/v1/uploads"


@pytest.fixture(autouse=True)
def silent_broker(monkeypatch):
    monkeypatch.setattr("analysis.services.freshness.ring", lambda *_args, **_kwargs: True)


@pytest.fixture(autouse=True)
def nothing_stored_before(settings, tmp_path):
    """The same tables were sent by earlier tests: their files would stand for ours."""
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def coordinator():
    return user_with("SC", SiteFactory(code="FUK"))


def form(number):
    """What is sent: a table of two people."""
    content = table(*people(number)).content
    return {
        "site": "FUK",
        "kind": "participants",
        "file": SimpleUploadedFile("p.csv", content, "text/csv"),
    }


def people(number):
    return f"P{number}-a", f"P{number}-b"


def send(user, number):
    api = APIClient()
    api.force_authenticate(user)
    return api.post(URL, form(number), format="multipart", HTTP_IDEMPOTENCY_KEY=f"k{number}")


def wholly_or_not(number):
    """How many of the table's people are there: both, with their upload and its file, or nobody."""
    n = Participant.objects.filter(code__in=people(number)).count()
    assert n in (0, 2)
    tables = Participant.objects.count() // 2
    assert list(Upload.objects.values_list("status", flat=True)) == ["accepted"] * tables
    assert all(files.path_of(digest).exists() for digest in _digests())
    assert Change.objects.count() == tables
    return n


def _digests():
    return Upload.objects.values_list("sha256", flat=True)


def send_dying(user, number, at):
    """Send, on a disk that keeps others waiting, and be killed before that statement."""
    done, store, finish, wanted = 0, files.store, files.Storing.finish, threading.Event()

    def slowly(*asked):
        wanted.wait(10)
        time.sleep(SLOW_DISK_SECONDS)
        return store(*asked)

    def finishing(storing):
        wanted.set()
        finish(storing)

    files.store, files.Storing.finish = slowly, finishing  # in a child of its own

    def dying(execute, *asked):
        nonlocal done
        done += 1
        if done == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(*asked)

    with connection.execute_wrapper(dying):
        send(user, number)


def points_of_a_request(user, monkeypatch):
    """Numbers of statements spread over an upload, and of the first one after each commit."""
    statements, after_commits, commit = [], set(), connection._commit

    def counting(execute, *asked):
        statements.append(asked[0])
        return execute(*asked)

    def committing():
        after_commits.add(len(statements) + 1)
        commit()

    with connection.execute_wrapper(counting), monkeypatch.context() as patch:
        patch.setattr(connection, "_commit", committing)
        assert send(user, 0).status_code == 201
    spread = np.linspace(1, len(statements), POINTS).astype(int)
    return sorted({int(at) for at in spread} | (after_commits & set(range(len(statements) + 1))))


def test_a_web_process_killed_at_any_statement_leaves_an_upload_whole_or_none(
    coordinator, monkeypatch
):
    points, found = points_of_a_request(coordinator, monkeypatch), set()
    for number, at in enumerate(points, 1):
        ended = children.run(lambda n=number, at=at: send_dying(coordinator, n, at))
        assert ended == -signal.SIGKILL
        found.add(wholly_or_not(number))
        # The key is free again when nobody can be at work at the dead one's request any more.
        SentRequest.objects.update(begun_at=F("begun_at") - timedelta(hours=1))
        assert send(coordinator, number).status_code in (200, 201)
        assert wholly_or_not(number) == 2
    assert found == {0, 2}
    assert Upload.objects.count() == len(points) + 1


def cut(server, key, number, share):
    """Send so much of the request and reset the connection, without waiting for the answer."""
    place = urlsplit(server.url)
    body = encode_multipart(BOUNDARY, form(number))
    head = (
        f"POST {URL} HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {key}\r\n"
        f"Idempotency-Key: k{number}\r\nContent-Type: {MULTIPART_CONTENT}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((place.hostname, place.port)) as wire:
        wire.sendall(head.encode() + body[: int(share * len(body))])
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def again(server, key, number):
    """The same request until it is answered: the first may still be carried out."""
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": f"k{number}"}
    sent = form(number)
    told = requests.post(
        server.url + URL,
        data={name: sent[name] for name in ("site", "kind")},
        files={"file": ("p.csv", table(*people(number)).content, "text/csv")},
        headers=headers,
        timeout=30,
    )
    return told if told.status_code != 409 else None


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_connection_cut_in_the_upload_or_before_the_answer_makes_one_upload(
    coordinator, live_server, share
):
    _, key = ApiToken.objects.issue(coordinator, "script")
    for number in range(CUTS):
        cut(live_server, key, number, share)
        answer = wait_for(lambda number=number: again(live_server, key, number))
        assert answer.status_code in (200, 201), answer.text
        assert wholly_or_not(number) == 2
    assert Upload.objects.count() == CUTS
