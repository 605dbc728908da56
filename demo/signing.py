"""Signed releases in the demo: a key of this checkout's own, trusted by the environment that runs.

The committed environment files trust no key, since every checkout makes its own. So the demo
synthesizes copies of them, and the copy of its environment has a section `[signing]` more.
"""

import base64
import json
import shutil
import time
from pathlib import Path

import click

from demo.embedded import LOCAL, LOGS, ROOT, core_files, inference_component
from demo.processes import CommandFailed, run
from stacks.config import STATEMENT_NAME, EnvironmentConfig

ENVIRONMENTS = LOCAL / "demo" / "environments"
_KEY = LOCAL / "keys" / "demo.pem"
_TOOL = ROOT / ".venv" / "bin" / "model-tools"


def sign(environment: EnvironmentConfig) -> Path:
    """Sign what the environment pins with this checkout's key; return a folder that trusts it.

    An environment that trusts keys already stays as it is: somebody else signs for it.

    Raises:
        CommandFailed: a step failed.
    """
    if environment.signing.is_on:
        return ROOT / "environments"
    if not _KEY.is_file():
        run([_TOOL, "keys", "new", _KEY], LOGS / "sign.log")
    public = json.loads(run([_TOOL, "keys", "public", _KEY, "--json"], LOGS / "sign.log"))
    model = environment.model
    artifact = ROOT / "models" / model.name / model.digest / "model.zip"
    try:
        run(
            [_TOOL, "verify-signature", artifact, "--public-key", public["public_key"]],
            LOGS / "sign.log",
        )
    except CommandFailed:
        run([_TOOL, "sign", artifact, "--key", _KEY, "--again"], LOGS / "sign.log")
    click.echo(f"  signed by key {public['id'][:12]}… ({_KEY.relative_to(ROOT)})")
    shutil.rmtree(ENVIRONMENTS, ignore_errors=True)
    ENVIRONMENTS.mkdir(parents=True)
    for file in (ROOT / "environments").glob("*.toml"):
        text = file.read_text(encoding="utf-8")
        if file.stem == environment.name:
            text += f'\n[signing]\npublic_keys = ["{public["public_key"]}"]\n'
        (ENVIRONMENTS / file.name).write_text(text, encoding="utf-8")
    return ENVIRONMENTS


def say_verified(environment: EnvironmentConfig, thing: str, *, patience_seconds: float) -> None:
    """Print the camera's own line that it verified the release that was signed last."""
    if not _statement(environment).is_file():
        return
    verified = f"verified: release {_release(environment)} of "
    log = core_files(thing).log(inference_component(environment))
    give_up_at = time.monotonic() + patience_seconds
    while time.monotonic() < give_up_at:
        said = log.read_text("utf-8", "replace").splitlines() if log.is_file() else []
        for line in reversed(said):
            if verified in line:
                click.echo(f"  the camera {line[line.index(verified) :]}")
                return
        time.sleep(0.2)
    click.echo(f"  no word of a signature in {log.relative_to(ROOT)}")


def _statement(environment: EnvironmentConfig) -> Path:
    model = environment.model
    return ROOT / "models" / model.name / model.digest / STATEMENT_NAME


def _release(environment: EnvironmentConfig) -> int:
    payload = json.loads(_statement(environment).read_text(encoding="ascii"))["dsseEnvelope"][
        "payload"
    ]
    return int(json.loads(base64.b64decode(payload))["predicate"]["deeplens"]["release"])
