"""The end of the process: the loop is stopped and closed before the interpreter shuts down.

`atexit` is not used. From Python 3.12, no thread can be started during interpreter shutdown. Native
code (TensorFlow, OpenVINO, OpenCV) that returns to Python at that time crashes the process.

This module imports only the standard library, so that signals are handled before other imports.
"""

import logging
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, Protocol

logger = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Loop(Protocol):
    """The interface of the process' work, which runs in separate threads."""

    def start(self) -> None:
        """Start the threads, and return immediately."""
        ...

    def stop(self) -> list[str]:
        """Stop and close all parts within seconds; return the names of threads that still run.

        A loop that was not started, or only partly, can be stopped.
        """
        ...


class EndSignals:
    """A receiver of SIGTERM and SIGINT, for the main thread of a process without a host.

    Signals are received from the creation of the object on. The first signal ends `wait`. Later
    signals are ignored until the process has ended.
    """

    def __init__(self) -> None:
        self.is_received = False
        # A signal handler may run while this thread holds a lock, so it writes to a pipe.
        self._read, self._write = os.pipe()
        for number in _SIGNALS:
            signal.signal(number, self._receive)

    def wait(self) -> None:
        """Return when a signal has been received."""
        os.read(self._read, 1)

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        # Before the process ends, the interpreter restores the default action of handlers in
        # Python. A second signal would then change the exit code. SIG_IGN is not restored.
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        self.is_received = True
        os.write(self._write, b"\0")


def run_until_signal(loop: Loop, signals: EndSignals) -> None:
    """Run the loop until a signal is received, then stop it."""
    if not signals.is_received:
        loop.start()
    signals.wait()
    end(loop)


def run_in_background(loop: Loop) -> None:
    """Start the loop and return; the loop ends after the main thread, which belongs to the host.

    A non-daemon thread ends the loop, because the interpreter waits for it before it shuts down.
    The host must not call `os._exit`; if it does, messages on disk are still safe.
    """
    end_on_sigterm()

    def end_after_main_thread() -> None:
        threading.main_thread().join()
        end(loop)

    threading.Thread(target=end_after_main_thread, name="End", daemon=False).start()
    loop.start()


def end_on_sigterm() -> None:
    """Make the first SIGTERM end the main thread: by the host's handler, or by `SystemExit`.

    A second signal would interrupt the interpreter while it waits for the thread that ends the
    loop.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    host: Any = signal.getsignal(signal.SIGTERM)
    # If native code installed the handler, Python returns None.
    if host is None or host is signal.SIG_IGN:
        return

    def receive(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if callable(host):
            host(number, frame)
        else:
            sys.exit(0)

    signal.signal(signal.SIGTERM, receive)


def end(loop: Loop) -> None:
    """Stop the loop; if a thread still runs, exit immediately with code 0.

    Such a thread may be in native code for minutes, for example while TensorFlow loads a model. If
    the interpreter shuts down meanwhile, the process crashes.
    """
    if busy := loop.stop():
        logger.warning("ends at once, without waiting for %s", " and ".join(busy))
        logging.shutdown()
        os._exit(0)
