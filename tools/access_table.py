"""Write the access table: the principal, the action and the resource of each call.

The emulator records its authorization decisions (`LOCAL_AWS_TRACE_AUTHORIZATION`). The table
contains the calls of the roles that stacks create, including denied calls: tests require a grant
for each call. Placeholders replace names that differ between environments and runs.
`make access-table` runs tests with a trace and writes the table.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "policies" / "access-table.json"
TRACE_VARIABLE = "LOCAL_AWS_TRACE_AUTHORIZATION"

DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
# Placeholders, each with a pattern and a sample value, in the order of their application: each
# pattern is applied to the result of the previous patterns.
_PLACEHOLDERS = (
    ("digest", DIGEST, "0" * 64),
    (
        "uuid",
        re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        "00000000-0000-4000-8000-000000000000",
    ),
    ("thing", re.compile(r"(?<=[:/]thing/)[^/]+|(?<=:coreDevices:)[^:/]+"), "camera-1"),
    ("model", re.compile(r"(?<=/components/)[^/]+(?=/\{digest\}/)"), "shapes"),
    ("version", re.compile(r"(?<=:versions:)[^:/]+"), "1.0.0"),
    ("account", re.compile(r"(?<![0-9])[0-9]{12}(?![0-9])"), None),
    ("region", re.compile(r"(?<![a-z0-9])[a-z]{2}-[a-z]+-[0-9](?![a-z0-9])"), None),
)
SAMPLES = {name: sample for name, _, sample in _PLACEHOLDERS if sample is not None}

# A logical id of CDK, which ends with 8 digits of a hash.
_LOGICAL_ID = re.compile(r"(?P<name>.+?)[0-9A-F]{8}")
# Physical ids that CloudFormation or a service generates; other names are from the template.
_GENERATED = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|.+-[0-9A-F]{12,13}")
# The environment in a stack's name, for roles without an environment.
_STACK = re.compile(r"(?<=:stack/)[a-z][a-z0-9-]*(?=-[A-Z])")
# The condition keys, or their prefixes, that the project's policies use.
_CONDITION_KEYS = (
    "aws:requesttag/deeplens:owner",
    "aws:tagkeys",
    "iam:",
    "kms:viaservice",
    "s3:prefix",
)


@dataclass(frozen=True, order=True)
class Row:
    """The principal, action and resource of a call.

    ``principal`` is `Stack/Role`, a logical id without CDK's hash. ``resource`` is an ARN or `*`
    with placeholders, for example `{account}`, `{environment}`, `{digest}` and `{Stack/LogicalId}`.
    ``context`` contains the condition keys that policies of the project use.
    """

    principal: str
    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON data, in the format of the committed table."""
        document = {**asdict(self), "context": dict(self.context)}
        return document if self.context else {k: v for k, v in document.items() if k != "context"}


class TraceError(Exception):
    """Raised if a trace cannot be read."""


def rows_of(lines: Iterable[str]) -> Iterator[Row]:
    """Yield the rows of a trace's lines, one for each call of a stack's role.

    Raises:
        TraceError: a line is not an authorization decision.
    """
    for number, line in enumerate(lines, start=1):
        try:
            decision = json.loads(line)
            if decision["principal_resource"]:
                yield _row(decision)
        except (ValueError, KeyError, TypeError) as error:
            raise TraceError(f"line {number} is not an authorization decision: {error}") from None


def read_table(file: Path = TABLE) -> list[Row]:
    """Return the rows of the committed table."""
    return [
        Row(
            row["principal"],
            row["action"],
            row["resource"],
            tuple(sorted(row.get("context", {}).items())),
        )
        for row in json.loads(file.read_text(encoding="utf-8"))
    ]


def write_table(rows: Iterable[Row], file: Path = TABLE) -> None:
    """Write the distinct rows in sorted order, one per line."""
    lines = ",\n".join(json.dumps(row.to_json()) for row in sorted(set(rows)))
    file.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def without_hash(logical_id: str) -> str:
    """Return a logical id without CDK's hash."""
    matched = _LOGICAL_ID.fullmatch(logical_id)
    return matched["name"] if matched else logical_id


def _row(decision: dict[str, Any]) -> Row:
    stack, logical_id = decision["principal_resource"].split("/")
    environment, short = _parts(stack)
    names = {
        physical: f"{{{_short(resource)}}}"
        for physical, resource in decision["resource_names"].items()
        if _GENERATED.fullmatch(physical)
    }

    def generalized(text: str) -> str:
        return _generalized(text, environment, names)

    context = {
        key: generalized(json.dumps(value) if isinstance(value, list) else str(value))
        for key, value in decision["context"].items()
        if key.startswith(_CONDITION_KEYS)
    }
    return Row(
        f"{short}/{without_hash(logical_id)}",
        decision["action"],
        generalized(decision["resource"]),
        tuple(sorted(context.items())),
    )


def _short(resource: str) -> str:
    """Return `Stack/LogicalId` without environment and hash."""
    stack, logical_id = resource.split("/")
    return f"{_parts(stack)[1]}/{without_hash(logical_id)}"


def _parts(stack: str) -> tuple[str, str]:
    """Return a stack's environment and name; the environment may be empty."""
    environment, _, name = stack.rpartition("-")
    return environment, name


def _generalized(text: str, environment: str, names: dict[str, str]) -> str:
    for physical, name in sorted(names.items(), key=lambda item: -len(item[0])):
        text = text.replace(physical, name)
    for name, pattern, _ in _PLACEHOLDERS:
        text = pattern.sub(f"{{{name}}}", text)
    if not environment:
        return _STACK.sub("{environment}", text)
    own = re.compile(rf"(?<![A-Za-z0-9]){re.escape(environment)}(?![A-Za-z0-9])")
    return own.sub("{environment}", text)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument(
    "traces",
    nargs=-1,
    required=True,
    metavar="TRACE...",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
)
@click.option("--add", is_flag=True, help="Also include the rows of the committed table.")
def main(traces: tuple[Path, ...], *, add: bool) -> None:
    """Write policies/access-table.json from files that `local_aws up --trace-authorization` wrote.

    Exit codes: 0 written, 2 wrong usage or input.
    """
    rows = set(read_table()) if add else set()
    for trace in traces:
        try:
            with trace.open(encoding="utf-8") as lines:
                rows |= set(rows_of(lines))
        except TraceError as error:
            raise click.UsageError(f"{trace}: {error}") from None
    if not rows:
        raise click.UsageError("the traces contain no call of a role that a stack created")
    write_table(rows)
    principals = len({row.principal for row in rows})
    click.echo(f"{TABLE.relative_to(ROOT)}: {len(rows)} rows, {principals} principals")


if __name__ == "__main__":
    main()
