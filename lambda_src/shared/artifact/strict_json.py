"""Parse JSON as RFC 8259 defines it, for untrusted files and messages.

Python's parser also accepts NaN and Infinity, and reads 1e999 as infinity. It returns the last
value of duplicate keys. It accepts lone surrogates, which UTF-8 cannot contain.
"""

import json
import math
from typing import Any

_LARGEST_INTEGER = 2**63 - 1
_LONGEST_SHOWN = 40


def parse_json(content: str | bytes) -> Any:
    """Parse a JSON document.

    Raises:
        ValueError: the content is not JSON in UTF-8, has a duplicate key, a number that is not
            finite or an integer above 64 bits, or is nested too deeply.
    """
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
        document = json.loads(
            text,
            object_pairs_hook=_without_duplicates,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
        # Escape sequences of the text can result in lone surrogates in the document.
        if "\\ud" in text.lower():
            json.dumps(document, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 ({error.reason} at byte {error.start})") from None
    except UnicodeEncodeError:
        raise ValueError("it contains a lone surrogate, which is not a character") from None
    return document


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"duplicate key {key[:_LONGEST_SHOWN]!r}")
            seen.add(key)
    return document


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:_LONGEST_SHOWN]} is too large for a double")
    return value


def _integer(text: str) -> int:
    if len(text) > _LONGEST_SHOWN or abs(value := int(text)) > _LARGEST_INTEGER:
        raise ValueError(f"the integer {text[:_LONGEST_SHOWN]} is above 64 bits")
    return value
