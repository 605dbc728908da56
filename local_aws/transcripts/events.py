"""Transcript files: reading, validation and writing."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_aws.transcripts.patterns import PatternError, check

Event = dict[str, Any]

FORMAT = 1
DEVICE, CLOUD, OPERATOR = "device", "cloud", "operator"
_HEADER = ("title", "source", "date", "nucleus", "version")
_LARGEST_BYTES = 64 << 20
# The required and optional members of events, by sender and kind.
_MEMBERS: dict[tuple[str, str], tuple[frozenset[str], frozenset[str]]] = {
    (DEVICE, "connect"): (frozenset({"client_id"}), frozenset({"version"})),
    (DEVICE, "subscribe"): (frozenset({"topic"}), frozenset({"qos"})),
    (DEVICE, "publish"): (frozenset({"topic", "payload"}), frozenset({"qos", "repeat"})),
    (CLOUD, "publish"): (frozenset({"topic", "payload"}), frozenset({"qos"})),
    (DEVICE, "https"): (frozenset({"path"}), frozenset({"headers", "body"})),
    (CLOUD, "https"): (frozenset(), frozenset({"body"})),
    (DEVICE, "s3"): (frozenset({"bucket", "key"}), frozenset({"signed_headers"})),
    (CLOUD, "s3"): (frozenset(), frozenset()),
    (OPERATOR, "do"): (frozenset(), frozenset({"components"})),
}
_MARKS = ("mqtt", "https", "s3", "do")


class TranscriptError(ValueError):
    """Raised if a file is not a valid transcript."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """A header that describes the transcript, and events in their order of occurrence."""

    header: dict[str, Any]
    events: tuple[Event, ...]


def kind(event: Event) -> str:
    """Return the kind of an event: an MQTT packet type, ``https``, ``s3`` or ``do``."""
    mark = next((name for name in _MARKS if name in event), "")
    return str(event[mark]) if mark == "mqtt" else mark


def read(path: Path) -> Transcript:
    """Read a transcript.

    Raises:
        TranscriptError: the file is not a valid transcript.
        OSError: the file cannot be read.
    """
    if path.stat().st_size > _LARGEST_BYTES:
        raise TranscriptError(
            f"{path} is not a transcript: expected at most {_LARGEST_BYTES} bytes"
        )
    try:
        # `splitlines` also splits at characters that a JSON string can contain.
        lines = path.read_text(encoding="utf-8").split("\n")
        values = [json.loads(line) for line in lines if line.strip()]
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise TranscriptError(f"{path} is not a transcript: expected JSON lines; {error}") from None
    if not values or not isinstance(values[0], dict) or values[0].get("transcript") != FORMAT:
        raise TranscriptError(
            f'{path} is not a transcript: expected a first line with "transcript": {FORMAT}'
        )
    header, *events = values
    missing = [name for name in _HEADER if not isinstance(header.get(name), str)]
    if missing:
        raise TranscriptError(f"{path}: line 1 has no {', '.join(missing)}: expected strings")
    for number, event in enumerate(events, 2):
        fault = _fault(event, events[number - 3] if number > 2 else {})  # noqa: PLR2004 - after two lines
        if fault:
            raise TranscriptError(f"{path}: event {number - 1} is not valid: {fault}")
    return Transcript(header, tuple(events))


def to_lines(header: dict[str, Any], events: Iterable[Event]) -> Iterable[str]:
    """Yield the lines of a transcript in ASCII, each with a line feed.

    JSON strings can contain a lone surrogate, which UTF-8 cannot encode.
    """
    yield json.dumps({"transcript": FORMAT, **header}) + "\n"
    for event in events:
        yield json.dumps(event) + "\n"


def _fault(event: Any, previous: Event) -> str | None:
    """Return the error in an event, which follows `previous`; None if the event is valid."""
    if not isinstance(event, dict):
        return f"expected an object; got {event!r}"
    sender, name = str(event.get("from")), kind(event)
    if (sender, name) not in _MEMBERS:
        valid = ", ".join(" ".join(event_kind) for event_kind in _MEMBERS)
        return f"expected one of {valid}; got {sender} {name or 'without a kind'}"
    required, optional = _MEMBERS[sender, name]
    members = event.keys() - {"from", *_MARKS}
    if required - members or members - required - optional:
        return (
            f"{sender} {name} has the members {', '.join(sorted(required)) or 'none'} and"
            f" optionally {', '.join(sorted(optional)) or 'none'}; got {', '.join(sorted(members))}"
        )
    if sender == CLOUD and name != "publish" and kind(previous) != name:
        return f"a response of {name} follows its request"
    try:
        check(event)
    except PatternError as error:
        return str(error)
    return None
