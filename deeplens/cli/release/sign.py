"""`deeplens release sign` and `deeplens release verify`: sign artifacts, and check signatures."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deeplens.cli.options import examples, json_option
from model_tools.cli.errors import echo

if TYPE_CHECKING:
    from shared.signatures import Statement


@click.command(epilog=examples("release sign models/shapes/DIGEST/model.zip --key alias/releases"))
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option("--key", required=True, help="PEM file, or alias/NAME, id or ARN of AWS KMS.")
@click.option("--release", type=click.IntRange(min=1), help="[default: one more than the newest]")
@click.option(
    "--again",
    is_flag=True,
    help="Sign it once more, as the newest release: to go back to it, or with another key.",
)
@click.option(
    "--expires",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day (UTC) from which cameras reject the release.",
)
@json_option
def sign(
    artifact: Path,
    key: str,
    release: int | None,
    expires: datetime | None,
    *,
    again: bool,
    as_json: bool,
) -> None:
    """Sign ARTIFACT, a model.zip, and the files next to it in the OpenSSF Model Signing format.

    The statement is written to model.zip.sig in the same folder.
    """
    from deeplens.releases.signing.releases import sign_release
    from deeplens.releases.signing.signers import signer_of

    until = expires.replace(tzinfo=UTC) if expires else None
    if until and until <= datetime.now(UTC):
        raise click.BadParameter(f"{until:%Y-%m-%d} is over", param_hint="--expires")
    statement = sign_release(artifact, signer_of(key), release=release, again=again, expires=until)
    _show(statement, "signed", as_json=as_json)


@click.command(epilog=examples("release verify model.zip --public-key release-key.pub"))
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option(
    "--public-key",
    "public_keys",
    multiple=True,
    required=True,
    help="PEM file or the text of an environment's public_keys; may be given more than once.",
)
@click.option("--revoked", multiple=True, help="Id of a key that is no longer trusted.")
@json_option
def verify(
    artifact: Path, public_keys: tuple[str, ...], revoked: tuple[str, ...], *, as_json: bool
) -> None:
    """Check that a trusted key signed ARTIFACT and the files next to it.

    Exit codes: 0 signed, 2 not signed, or a key cannot be read.
    """
    from deeplens.releases.signing.releases import read_statement
    from deeplens.releases.signing.trust import read_public_keys

    statement = read_statement(artifact, read_public_keys(public_keys, revoked))
    _show(statement, "signature right", as_json=as_json)


def _show(statement: "Statement", what: str, *, as_json: bool) -> None:
    if as_json:
        signed = statement.as_document()["predicate"]["deeplens"]
        files = {name: file.digest for name, file in sorted(statement.files.items())}
        echo(json.dumps({**signed, "key": statement.key, "files": files}))
        return
    echo(
        f"{what}: {statement.model} {statement.version}, release {statement.release}, "
        f"by key {statement.key[:12]}…"
    )
    for name, file in sorted(statement.files.items()):
        echo(f"  {file.digest}  {name}  {file.size_bytes} bytes")
    if statement.expires:
        echo(f"  valid until {statement.expires:%Y-%m-%d %H:%M} UTC")
