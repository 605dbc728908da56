"""The end of the process: the loop is stopped and closed while the interpreter still runs.

Nothing is stopped by `atexit`: from Python 3.12 no thread can be started during interpreter
shutdown, and native code (TensorFlow, OpenVINO, OpenCV) that returns to Python at that time crashes
the process.

Only the standard library is imported here, so that signals are handled before anything else loads.
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
    """The work of the process, in separate threads."""

    def start(self) -> None:
        """Start the threads; return at once."""
        ...

    def stop(self) -> list[str]:
        """Stop and close everything within seconds; return the names of threads still at work.

        A loop that was not started, or not completely, can be stopped.
        """
        ...


class EndSignals:
    """SIGTERM and SIGINT, from its creation on; for the main thread of a process without a host.

    The first signal ends `wait`. All later ones are ignored until the process has ended.
    """

    def __init__(self) -> None:
        self.is_received = False
        # A handler may run while this thread holds any lock, so it writes into a pipe.
        self._read, self._write = os.pipe()
        for number in _SIGNALS:
            signal.signal(number, self._receive)

    def wait(self) -> None:
        """Return when a signal has been received."""
        os.read(self._read, 1)

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        # The interpreter restores the default action of a handler in Python before the process
        # ends, and a second signal would then change the exit code. SIG_IGN stays.
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        self.is_received = True
        os.write(self._write, b"\0")


def run_until_signal(loop: Loop, signals: EndSignals) -> None:
    """Run the loop until a signal is received, then end it."""
    if not signals.is_received:
        loop.start()
    signals.wait()
    end(loop)


def run_in_background(loop: Loop) -> None:
    """Start the loop and return; it ends after the main thread, which belongs to the host.

    The thread that ends it is not a daemon: the interpreter waits for such threads before it shuts
    down. The host must not leave by `os._exit`; what is on disk is safe then, too.
    """
    end_on_sigterm()

    def end_after_main_thread() -> None:
        threading.main_thread().join()
        end(loop)

    threading.Thread(target=end_after_main_thread, name="End", daemon=False).start()
    loop.start()


def end_on_sigterm() -> None:
    """Let SIGTERM end the main thread, once: as the host does, or by `SystemExit` if it does not.

    A second signal would interrupt the interpreter's wait for the thread that ends the loop.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    host: Any = signal.getsignal(signal.SIGTERM)
    # Python returns None for a handler that was not installed by Python.
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
    """Stop the loop; leave at once, with exit code 0, if a thread is still at work.

    Such a thread may be inside native code for minutes, for example while TensorFlow loads a
    model, and an interpreter that shuts down meanwhile crashes.
    """
    if busy := loop.stop():
        logger.warning("ends at once, without waiting for %s", " and ".join(busy))
        logging.shutdown()
        os._exit(0)
