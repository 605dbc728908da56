"""Log records without characters that control a terminal or forge a line."""

import logging
from typing import Any

from shared.printable import printable

_LONGEST_TRACEBACK = 20_000


class PrintableFormatter(logging.Formatter):
    """Escapes control and format characters; only a traceback has several lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - its name in logging
        """Return the record's first line."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - as above
        """Return a traceback."""
        text = super().formatException(ei)
        return printable(text, longest=_LONGEST_TRACEBACK, lines=True)
