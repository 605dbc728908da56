"""Signed releases in the demo, with a key of this checkout that the demo's environment trusts.

The committed environment files trust no key, because each checkout creates its key. The demo
synthesizes copies of these files; the copy of its environment has an additional section
`[signing]`.
"""

import base64
import json
import shutil
from pathlib import Path

import click

from deeplens.config import STATEMENT_NAME, EnvironmentConfig
from deeplens.local.cores import RunningCore, wait_until
from deeplens.local.emulator import LOCAL, LOGS, ROOT
from deeplens.local.processes import CommandFailed, run

ENVIRONMENTS = LOCAL / "demo" / "environments"
_KEY = LOCAL / "keys" / "demo.pem"
_DEEPLENS = ROOT / ".venv" / "bin" / "deeplens"


def sign(environment: EnvironmentConfig) -> Path:
    """Sign the pinned artifact with the key of this checkout; return a folder of environment files.

    In these files, the environment trusts the key. If the artifact is the newest release and
    signed with this key, its signature is kept. If the environment already trusts keys, nothing is
    signed, and the original folder is returned.

    Raises:
        CommandFailed: a step failed.
    """
    if environment.signing.is_on:
        return ROOT / "environments"
    if not _KEY.is_file():
        run([_DEEPLENS, "release", "keys", "new", _KEY], LOGS / "sign.log")
    public = json.loads(
        run([_DEEPLENS, "release", "keys", "public", _KEY, "--json"], LOGS / "sign.log")
    )
    model = environment.model
    artifact = ROOT / "models" / model.name / model.digest / "model.zip"
    try:
        run(
            [_DEEPLENS, "release", "verify", artifact, "--public-key", public["public_key"]],
            LOGS / "sign.log",
        )
        is_newest = is_newest_release(_statement(environment))
    except CommandFailed:
        is_newest = False
    if not is_newest:
        # A camera rejects a release whose number is lower than that of the last accepted release.
        run([_DEEPLENS, "release", "sign", artifact, "--key", _KEY, "--again"], LOGS / "sign.log")
    click.echo(f"  signed by key {public['id'][:12]}… ({_KEY.relative_to(ROOT)})")
    shutil.rmtree(ENVIRONMENTS, ignore_errors=True)
    ENVIRONMENTS.mkdir(parents=True)
    for file in (ROOT / "environments").glob("*.toml"):
        text = file.read_text(encoding="utf-8")
        if file.stem == environment.name:
            text += f'\n[signing]\npublic_keys = ["{public["public_key"]}"]\n'
        (ENVIRONMENTS / file.name).write_text(text, encoding="utf-8")
    return ENVIRONMENTS


def show_verification(
    environment: EnvironmentConfig, core: RunningCore, *, patience_seconds: float
) -> None:
    """Print the camera's log line about the verification of the pinned release, if it is signed.

    Raises:
        CommandFailed: the camera ends, a deployment fails, or the log has no such line in time.
    """
    if not _statement(environment).is_file():
        return
    verified = f"verified: release {_release(_statement(environment))} of "

    def newest() -> str | None:
        lines = (line for line in reversed(core.function_lines()) if verified in line)
        return next(lines, None)

    def has_answered() -> bool:
        core.check_deployments()
        return newest() is not None

    wait_until(has_answered, core, "loading the model", patience_seconds)
    line = newest() or ""
    click.echo(f"  the camera {line[line.index(verified) :]}")


def _statement(environment: EnvironmentConfig) -> Path:
    model = environment.model
    return ROOT / "models" / model.name / model.digest / STATEMENT_NAME


def is_newest_release(statement: Path) -> bool:
    """Return whether the statement has the highest release number of the model's statements."""
    others = statement.parent.parent.glob(f"*/{STATEMENT_NAME}")
    return _release(statement) == max(map(_release, others))


def _release(statement: Path) -> int:
    payload = json.loads(statement.read_text(encoding="ascii"))["dsseEnvelope"]["payload"]
    return int(json.loads(base64.b64decode(payload))["predicate"]["deeplens"]["release"])
