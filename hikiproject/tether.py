"""Child processes that cannot outlive the process that started them (Linux)."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1


def tie_to_parent(ending: signal.Signals) -> Callable[[], None]:
    """Return a ``preexec_fn`` that has the kernel send `ending` when the parent dies.

    "Parent" is the *thread* that called ``Popen``: start children from a thread that lives as long
    as they may. Where there is no prctl (macOS) children rely on being stopped in order.
    """
    if not sys.platform.startswith("linux"):
        return lambda: None
    # Looked up before the fork: a forked child must not load libraries.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def tie() -> None:
        prctl(PR_SET_PDEATHSIG, int(ending), 0, 0, 0)
        # The parent may have died between the fork and the line above.
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    return tie


def child_environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """Our environment for a child; without it every start would compile all modules anew."""
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return inherited | (extra or {})
