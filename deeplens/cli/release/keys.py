"""`deeplens release keys`: the keys that sign releases."""

import base64
import json
from pathlib import Path

import click

from deeplens.cli.options import examples, json_option


@click.group()
def keys() -> None:
    """Create a signing key, or print the public key that environments trust.

    Create KMS keys in AWS KMS: key spec ECC_NIST_P256, usage SIGN_VERIFY.
    """


@keys.command(epilog=examples("release keys new release-key.pem"))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def new(file: Path, *, as_json: bool) -> None:
    """Write a new ECDSA P-256 private key to FILE.

    An existing file is never overwritten.
    """
    from deeplens.releases.signing.signers import new_key_file

    new_key_file(file)
    _show(str(file), as_json=as_json)


@keys.command(epilog=examples("release keys public alias/releases"))
@click.argument("key")
@click.option("--pem", is_flag=True, help="Print it as PEM, for other tools.")
@json_option
def public(key: str, *, pem: bool, as_json: bool) -> None:
    """Print the public key of KEY.

    KEY is a PEM file or a key of AWS KMS (alias/NAME, id or ARN).
    """
    if pem:
        from deeplens.releases.signing.signers import signer_of

        text = base64.encodebytes(signer_of(key).public_key).decode().replace("\n", "")
        lines = [text[at : at + 64] for at in range(0, len(text), 64)]
        click.echo("\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----"]))
        return
    _show(key, as_json=as_json)


def _show(key: str, *, as_json: bool) -> None:
    from deeplens.releases.signing.signers import signer_of
    from shared.signatures import key_id

    der = signer_of(key).public_key
    text = base64.b64encode(der).decode()
    if as_json:
        click.echo(json.dumps({"id": key_id(der), "public_key": text}))
        return
    click.echo(f"# key {key_id(der)}")
    click.echo("[signing]")
    click.echo(f'public_keys = ["{text}"]')
