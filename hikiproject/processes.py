"""The project's own processes (web, worker, sweeper) as supervised children.

    with Processes.start(["worker"]) as running:
        running.wait_until_ready()
        ...

One thread starts, watches and ends the children, so that the kernel's tie between a child and the
thread that started it (`hikiproject.tether`) holds exactly as long as the supervision does.
"""

import argparse
import os
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Self, TextIO

from hikiproject import state as states
from hikiproject.credentials import free_port
from hikiproject.tether import child_environment, tie_to_parent

# In the order in which they stop: nothing new comes in, nothing new is queued, work ends.
NAMES = ("web", "sweeper", "worker")
STOP_SECONDS = 8.0
WEB_STOP_SECONDS = 6  # its workers end what they answer
LONGEST_PAUSE_SECONDS = 30.0
# A child that lived this long did not die of its start.
SETTLED_SECONDS = 60.0


@dataclass(frozen=True)
class Program:
    """How one child starts, what its log says when it is ready, and how it ends with us."""

    arguments: str
    ready: str
    # Sent by the kernel if we are killed: the worker drops its task, which the sweep gives back.
    orphaned: signal.Signals = signal.SIGTERM
    # Where it listens, if it does: its first worker may say that it started before it does.
    port: int | None = None

    def listens(self) -> bool:
        """Whether a connection is taken; true of what does not listen."""
        if self.port is None:
            return True
        with socket.socket() as probe:
            probe.settimeout(1.0)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def program(name: str, *, port: int, concurrency: int, alone: bool = False) -> Program:
    """Return the program of a name in NAMES; a worker that is ``alone`` takes short tasks too."""
    queues = "both" if alone else "heavy"
    schedule = states.default_state() / "beat-schedule"
    return {
        "web": Program(
            f"-m granian --interface wsgi --host 127.0.0.1 --port {port} --workers 2"
            " --backpressure 64 --blocking-threads 8 --respawn-failed-workers"
            # A request that hangs would keep a server alive whose supervisor was killed.
            f" --workers-kill-timeout {WEB_STOP_SECONDS}"
            " hikiproject.wsgi:application",
            "Started worker",
            port=port,
        ),
        "sweeper": Program(
            f"manage.py worker --queues light --concurrency 1 --sweep {shlex.quote(str(schedule))}",
            " ready.",
            signal.SIGQUIT,
        ),
        "worker": Program(
            f"manage.py worker --queues {queues} --concurrency {concurrency}",
            " ready.",
            signal.SIGQUIT,
        ),
    }[name]


class Child:
    """One supervised process; all methods are called from the supervising thread."""

    def __init__(self, name: str, program: Program, environment: Mapping[str, str]) -> None:
        self.name = name
        self.program = program
        self.environment = dict(environment)
        self.ready = threading.Event()
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.not_before = 0.0
        self.pause = 0.5
        self._rest = b""

    @property
    def output(self) -> IO[bytes]:
        """The pipe of the running process."""
        if self.process is None or self.process.stdout is None:
            raise RuntimeError(f"{self.name} has not been started.")
        return self.process.stdout

    def spawn(self) -> None:
        """Start the process."""
        self.process = subprocess.Popen(
            [sys.executable, *shlex.split(self.program.arguments)],
            cwd=states.BASE,
            env=child_environment({"PYTHONUNBUFFERED": "1", **self.environment}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=tie_to_parent(self.program.orphaned),
        )
        os.set_blocking(self.output.fileno(), False)
        self.started = time.monotonic()

    def died(self) -> bool:
        """Whether the process has ended; plans its next start."""
        if self.process is None or self.process.poll() is None:
            return False
        if time.monotonic() - self.started > SETTLED_SECONDS:
            self.pause = 0.5
        self.not_before = time.monotonic() + self.pause
        self.pause = min(2 * self.pause, LONGEST_PAUSE_SECONDS)
        self.ready.clear()
        return True

    def lines(self) -> list[str]:
        """Whole lines that the process has written since the last call."""
        *whole, self._rest = (self._rest + (self.output.read() or b"")).split(b"\n")
        found = [line.decode(errors="replace").rstrip() for line in whole]
        if any(self.program.ready in line for line in found):
            self.ready.set()
        return found

    def kill(self) -> None:
        """End by force what is left of the process and of its own children."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class PortTakenError(Exception):
    """Another program listens where the web server is to; the message says what to do."""


def port_number(text: str) -> int:
    """A port, as an argument of a command."""
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: write a number of 1 to 65535.")
    return int(text)


def refuse_taken(port: int) -> None:
    """Raise PortTakenError unless nobody listens at that port of the loopback.

    The web server itself would share the port with another one of its kind, and each of them get
    some of the requests.
    """
    if free_port(port) != port:
        raise PortTakenError(
            f"Something listens at 127.0.0.1:{port} already; stop it, or choose another port "
            "with --port."
        )


class Processes:
    """Children that are started again when they die and never outlive this process."""

    def __init__(self, children: Iterable[Child], log: TextIO) -> None:
        self._children = {child.name: child for child in children}
        self._log = log
        self._selector = selectors.DefaultSelector()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    @classmethod
    def start(
        cls,
        names: Iterable[str] = NAMES,
        *,
        port: int = 8000,
        concurrency: int = 2,
        environment: Mapping[str, str] | None = None,
        log: TextIO | None = None,
    ) -> Self:
        """Start the named children; `environment` is added to ours."""
        ordered = sorted(names, key=NAMES.index)
        running = cls(
            (
                Child(
                    name,
                    program(
                        name, port=port, concurrency=concurrency, alone="sweeper" not in ordered
                    ),
                    environment or {},
                )
                for name in ordered
            ),
            log or sys.stderr,
        )
        running._thread.start()
        return running

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def wait_until_ready(self, seconds: float = 90.0) -> None:
        """Wait until every child says that it is ready, or raise TimeoutError naming the first."""
        deadline = time.monotonic() + seconds
        for child in self._children.values():
            said = child.ready.wait(max(0.0, deadline - time.monotonic()))
            while said and not child.program.listens() and time.monotonic() < deadline:
                time.sleep(0.05)
            if not said or time.monotonic() >= deadline:
                raise TimeoutError(
                    f"{child.name} was not ready within {seconds:.0f} s; its log is above."
                )

    def ready(self, name: str) -> bool:
        """Whether a child has said that it is ready since it last started, and listens."""
        child = self._children[name]
        return child.ready.is_set() and child.program.listens()

    def pid(self, name: str) -> int:
        """Process id of a running child."""
        process = self._children[name].process
        if process is None or process.poll() is not None:
            raise RuntimeError(f"{name} is not running.")
        return process.pid

    def stop(self) -> None:
        """End all children in order, within about 10 s."""
        self._ending.set()
        self._thread.join()

    def _supervise(self) -> None:
        try:
            while not self._ending.is_set():
                for child in self._children.values():
                    self._renew(child)
                self._relay(seconds=0.1)
        finally:
            self._end()

    def _renew(self, child: Child) -> None:
        if child.process is not None and child.died():
            self._relay(seconds=0)
            self._say(child, f"ended with code {child.process.returncode}; starting it again")
            child.kill()
            self._selector.unregister(child.output)
            child.output.close()
            child.process = None
        if child.process is None and time.monotonic() >= child.not_before:
            child.spawn()
            self._selector.register(child.output, selectors.EVENT_READ, child)

    def _relay(self, *, seconds: float) -> None:
        events = self._selector.select(seconds)
        for key, _ in events:
            for line in key.data.lines():
                self._say(key.data, line)
        if events and all(key.data.process.poll() is not None for key, _ in events):
            time.sleep(0.05)  # closed pipes are always readable: do not spin

    def _end(self) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        for child in self._children.values():
            if child.process is None:
                continue
            child.process.terminate()
            # Its last words are read meanwhile: a full pipe would keep it from ending.
            while child.process.poll() is None and time.monotonic() < deadline:
                self._relay(seconds=0.1)
            child.kill()
            self._relay(seconds=0)
            self._selector.unregister(child.output)
            child.output.close()
        self._selector.close()

    def _say(self, child: Child, line: str) -> None:
        if line:
            self._log.write(f"{child.name:<8}| {line}\n")
            self._log.flush()
