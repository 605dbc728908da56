"""Reports that the connection is lost for a while, and that it is back."""

import asyncio
import logging

logger = logging.getLogger(__name__)

SECONDS = 10.0
LOST = "no connection to the emulator"
BACK = "connected to the emulator again"


class Outage:
    """Logs one line for a loss of at least `seconds`, and one for its end; use it on `loop`."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, address: str, seconds: float = SECONDS
    ) -> None:
        self._loop = loop
        self._address = address
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._is_reported = False

    def begin(self, reason: str) -> None:
        """Start to wait; a loss during a loss changes nothing."""
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._report, reason)

    def end(self) -> None:
        """Stop waiting, and log the end if the loss was logged."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._is_reported:
            self._is_reported = False
            logger.info(BACK)

    def _report(self, reason: str) -> None:
        self._is_reported = True
        logger.warning(
            "%s for %.0f s (%s: %s); the device reconnects when the emulator runs again "
            "(`make local-up`)",
            LOST,
            self._seconds,
            self._address,
            reason,
        )
