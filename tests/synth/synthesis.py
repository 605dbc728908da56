"""Syntheses with app.py as the CDK CLI runs it: in a process, with cdk.json's flags."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]

DELIVERY = """
account = "999999999999"
region = "eu-central-1"
permissions_boundary = "DeepLensPipelineBoundary"
connection_arn = "arn:aws:codeconnections:eu-central-1:999999999999:connection/{uuid}"
repository = "team/cameras"
environments = ["dev", "staging", "production"]
approve = ["production"]
approval_hours = 6
model_package_group = "deeplens-shapes"
""".format(uuid="00000000-0000-0000-0000-000000000000")
TRAINING = """
[training]
enabled = true
variant = "small"
spot = true
instance_type = "ml.g4dn.xlarge"
minimum_accuracy = 0.95

[training.notebook]
subnet = "subnet-0123456789abcdef0"
security_groups = ["sg-0123456789abcdef0"]
"""
# An environment with all options except `hosting`, `training` and `signing`, in its own account.
EVERYTHING = """
account = "444444444444"
region = "eu-central-1"
promoted_from = "dev"
permissions_boundary = "DeepLensBoundary"
deeplens_roles = true

[tags]
team = "vision"

[model]
name = "shapes"
digest = "{digest}"

[model_store]
object_lock_days = 30

[fleet]
things = ["full-camera-1", "full-camera-2"]

[monitoring]
notify = ["ops@example.com"]
free_disk_mib = 1500
"""


def synthesize(
    folder: Path,
    environments: Path = ROOT / "environments",
    checkout: Path = ROOT,
    within: Sequence[str] = (),
    **context: str,
) -> subprocess.CompletedProcess[str]:
    """Write the cloud assembly of `environments` to `folder`; return the completed process.

    `within` is a command that starts the synthesis.
    """
    settings = json.loads((checkout / "cdk.json").read_text(encoding="utf-8"))
    _, script = settings["app"].split()
    return subprocess.run(
        [*within, sys.executable, checkout / script],
        cwd=checkout,
        check=False,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}",
            "PYTHONPATH": str(checkout),
            "CDK_OUTDIR": str(folder),
            "CDK_CONTEXT_JSON": json.dumps(
                {**settings["context"], "environments": str(environments), **context}
            ),
            # `make check` validates all templates, so the tests do not.
            "CDK_VALIDATION": "false",
        },
    )


def with_everything(folder: Path, digest: str) -> None:
    """Copy the committed environments into `folder`, and add `full.toml`."""
    folder.mkdir(exist_ok=True)
    for file in (ROOT / "environments").glob("*.toml"):
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "full.toml").write_text(EVERYTHING.format(digest=digest), encoding="utf-8")
