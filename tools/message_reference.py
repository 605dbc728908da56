"""Generate the JSON Schemas of heartbeats, and their tables in docs/messages.md.

`python -m tools.message_reference` rewrites the tables.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from shared.messages.heartbeat import INSTALLATION_FIELDS, Heartbeat
from shared.messages.wire import (
    COUNT,
    NULL,
    WireType,
    constant,
    object_schema,
    one_of,
    type_of,
)

PAGE = Path(__file__).resolve().parents[1] / "docs" / "messages.md"


@dataclass(frozen=True)
class Variant:
    """A type of heartbeat: its fields, and the types and meanings that differ from `Heartbeat`.

    Attributes:
        heading: heading of the page's section.
        names: names of the fields.
        types: the differing types, by field name.
        meanings: the differing meanings, by the path of a field.
    """

    heading: str
    names: tuple[str, ...]
    types: Mapping[str, WireType]
    meanings: Mapping[str, str]

    def entries(self) -> Iterator[tuple[str, WireType, str]]:
        """Yield the name, type and meaning of each field."""
        by_name = {entry.name: entry for entry in fields(Heartbeat)}
        for name in self.names:
            entry = by_name[name]
            type_ = self.types.get(name, type_of(entry))
            yield name, type_, self.meanings.get(name, entry.metadata["meaning"])

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the document that updates the shadow."""
        reported = WireType(
            "object",
            object_schema({name: type_ for name, type_, _ in self.entries()}),
            lambda value: value,
        )
        state = WireType("object", object_schema({"reported": reported}), lambda value: value)
        return object_schema({"state": state})

    def table(self) -> str:
        """Return the table of the fields in Markdown."""
        lines = ["| field | type | unit and meaning |", "|---|---|---|"]
        for name, type_, meaning in self.entries():
            lines.append(f"| `{name}` | {type_.name} | {meaning} |")
            for entry in fields(type_.part) if type_.part else ():
                path = f"{name}.{entry.name}"
                text = self.meanings.get(path, entry.metadata["meaning"])
                lines.append(f"| `{path}` | {type_of(entry).name} | {text} |")
        return "\n".join(lines)


_AS_BEFORE = "as in the heartbeat"

CAMERA = Variant(
    "Heartbeat",
    tuple(entry.name for entry in fields(Heartbeat)),
    {"installation": NULL},
    {"installation": "only in the [heartbeat of an installation](#heartbeat-of-an-installation)"},
)

INSTALLATION = Variant(
    "Heartbeat of an installation",
    INSTALLATION_FIELDS,
    {
        "status": one_of("installing", "failing"),
        "model": NULL,
        "frames": constant(COUNT, 0),
        "detections": constant(COUNT, 0),
        "frames_per_second": WireType("number", {"const": 0}, lambda value: value),
        "latency_ms": NULL,
        "last_frame_at": NULL,
    },
    {
        "status": "`installing` or `failing`",
        "model": "no model runs",
        "function": _AS_BEFORE,
        "frames": "0",
        "detections": "0",
        "frames_per_second": "0",
        "latency_ms": "there are no frames",
        "last_frame_at": "there are no frames",
        "errors": "1 if the installation failed, else 0",
        "last_error": "the cause of a failed installation",
        "last_error.type": "`InstallError`",
        "uptime_seconds": _AS_BEFORE,
        "started_at": _AS_BEFORE,
        "heartbeat_at": _AS_BEFORE,
        "heartbeat_interval_seconds": _AS_BEFORE,
    },
)


def with_tables(page: str) -> str:
    """Return the page with new tables."""
    for variant in (CAMERA, INSTALLATION):
        before, heading, rest = page.partition(f"## {variant.heading}\n")
        lines = rest.splitlines(keepends=True)
        first = next(index for index, line in enumerate(lines) if line.startswith("| field"))
        last = next(index for index, line in enumerate(lines) if index > first and line[:1] != "|")
        table = [f"{variant.table()}\n"]
        page = before + heading + "".join(lines[:first] + table + lines[last:])
    return page


def main() -> int:
    """Rewrite the tables of docs/messages.md, and return the exit code."""
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
