"""A log format without characters that control a terminal or forge a line."""

import logging
from typing import Any

from shared.printable import printable

_LONGEST_TRACEBACK = 20_000


class PrintableFormatter(logging.Formatter):
    """A formatter that escapes control and format characters, except line ends of tracebacks."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - as in the base class
        """Return the escaped message line of the record."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - as in the base class
        """Return the escaped lines of a traceback."""
        text = super().formatException(ei)
        return printable(text, longest=_LONGEST_TRACEBACK, lines=True)
