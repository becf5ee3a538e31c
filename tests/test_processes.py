"""Supervised processes: readable logs, started again when they die, never left over."""

import http.client
import io
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from argparse import ArgumentTypeError
from collections.abc import Callable

import psutil
import pytest
from django.urls import reverse

from hikiproject import processes
from hikiproject.credentials import free_port
from hikiproject.processes import PortTakenError, Processes, Program, port_number, refuse_taken
from hikiproject.state import BASE
from tests.fixtures_worker import worker_environment

ENDLESS = "-c \"import time; print('at work'); time.sleep(600)\""


def wait_for(fact: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, f"not so after {seconds:.0f} s"
        time.sleep(0.05)


@pytest.mark.parametrize("shared", [False, True])
def test_a_port_where_somebody_listens_is_refused_even_if_it_could_be_shared(shared):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"listens at 127.0.0.1:{port} already; stop it"):
            refuse_taken(port)
    refuse_taken(port)


@pytest.mark.parametrize("text", ["0", "65536", "http"])
def test_what_is_no_port_is_refused_before_anything_starts(text):
    with pytest.raises(ArgumentTypeError, match=f"'{text}' is no port: write a number"):
        port_number(text)


def alive(mark: str) -> list[psutil.Process]:
    """Processes that carry our mark in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HIKI_MARK") == mark:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


@pytest.fixture
def mark() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def endless(monkeypatch):
    """Every program is one that only sleeps."""
    stand_in = Program(ENDLESS, ready="at work")
    monkeypatch.setattr(processes, "program", lambda name, **options: stand_in)


def test_a_child_that_dies_is_started_again_and_the_log_says_so(endless):
    log = io.StringIO()
    with Processes.start(["worker"], log=log) as running:
        running.wait_until_ready(30)
        first = running.pid("worker")
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: "starting it again" in log.getvalue() and running.ready("worker"))
        assert running.pid("worker") != first
    assert log.getvalue().count("worker  | at work") == 2


def test_a_child_that_cannot_start_is_tried_less_and_less_often(monkeypatch, endless):
    monkeypatch.setattr(processes, "program", lambda name, **options: Program("-c 1/0", "never"))
    log = io.StringIO()
    running = Processes.start(["worker"], log=log)
    with running, pytest.raises(TimeoutError, match="worker was not ready within 2 s"):
        running.wait_until_ready(2)
    assert 1 <= log.getvalue().count("starting it again") <= 3
    assert "ZeroDivisionError" in log.getvalue()


def test_a_child_that_will_not_end_is_ended_by_force(monkeypatch, mark):
    stubborn = (
        '-c "import signal, time; signal.signal(15, signal.SIG_IGN);'
        " print('at work'); time.sleep(600)\""
    )
    monkeypatch.setattr(processes, "program", lambda name, **options: Program(stubborn, "at work"))
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.5)
    with Processes.start(["web"], environment={"HIKI_MARK": mark}, log=io.StringIO()) as running:
        running.wait_until_ready(30)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert alive(mark) == []


@pytest.mark.django_db(transaction=True)
def test_web_worker_and_sweeper_run_and_stop_within_ten_seconds(mark):
    port = free_port()
    environment = worker_environment() | {"HIKI_MARK": mark}
    with Processes.start(port=port, environment=environment) as running:
        running.wait_until_ready()
        web = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        web.request("GET", reverse("schema"))
        assert web.getresponse().status < 500
        web.close()
        began = time.monotonic()
    assert time.monotonic() - began < 10
    assert alive(mark) == []


def test_nothing_is_left_when_the_supervisor_is_killed(mark):
    code = (
        "import sys; from hikiproject.processes import Processes\n"
        f"with Processes.start(port={free_port()}, log=sys.stderr) as running:\n"
        "    running.wait_until_ready(); print('ready', flush=True); sys.stdin.read()"
    )
    supervisor = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=BASE,
        env=os.environ | {"HIKI_MARK": mark},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert supervisor.stdout.readline() == "ready\n"
    assert len(alive(mark)) >= 7, "supervisor, sweeper, worker and its pool, web and its workers"
    supervisor.kill()
    supervisor.communicate()
    wait_for(lambda: alive(mark) == [])
