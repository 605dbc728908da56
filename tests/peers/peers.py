"""Runs of the peers, and the environment files that the project and its peers synthesize."""

import json
import os
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.synth.synthesis import ROOT

PEERS = ROOT / "benchmarks" / "peers"
NODE = ROOT / ".venv" / "bin" / "node"
PYTHON = ROOT / ".venv" / "bin" / "python"

# An environment with all defaults.
_SPARSE = """
account = "444444444444"
region = "eu-west-1"

[model]
name = "{name}"
digest = "{digest}"

[model_store]

[fleet]

[inference]
topic = "sparse/infer"
"""

# An environment without defaults, with every setting that the peer supports.
_RICH = """
account = "555555555555"
region = "us-east-1"
promoted_from = "dev"
permissions_boundary = "AnotherBoundary"

[tags]
team = "vision"
Cost-Center = "42"

[model]
name = "{name}"
digest = "{digest}"

[model_store]
bucket_name = "deeplens-peers"
termination_protection = false
access_log_retention_days = 30
noncurrent_version_days = 10

[fleet]
thing_group = "cameras"
things = ["camera-1", "camera_2"]

[inference]
camera = "v4l2:/dev/video0"
engine = "tensorflow"
threshold = 0.75
topic = "site/{{thing}}/infer"
frame_interval_seconds = 2
heartbeat_interval_seconds = 12.5
live_view_port = 8080
log_retention_days = 14

[rollout]
wait_seconds = 60
bake_seconds = 30
success_percent = 95
error_percent = 2.5
minimum_devices = 1
offline_after_seconds = 40
minimum_frames_per_second = 0.5
on_delete = "keep"

[monitoring]
notify = ["ops@example.com", "night-shift@example.com"]
log_retention_days = 7
no_heartbeat_minutes = 10
latency_p95_ms = 250.5
failing_share = 0.25
spool_fill_share = 0.5
free_disk_mib = 1024
"""


def write_environments(folder: Path) -> None:
    """Write the committed environments, one with all defaults, and one without defaults."""
    for file in (ROOT / "environments").glob("*.toml"):
        (folder / file.name).write_bytes(file.read_bytes())
    pin = tomllib.loads((ROOT / "environments" / "dev.toml").read_text("utf-8"))["model"]
    (folder / "sparse.toml").write_text(_SPARSE.format(**pin), encoding="utf-8")
    (folder / "rich-one.toml").write_text(_RICH.format(**pin), encoding="utf-8")


def run(
    command: Sequence[str | Path], variables: Mapping[str, str], **context: str
) -> subprocess.CompletedProcess[str]:
    """Run a peer with cdk.json's context and `context`, without validation."""
    flags = json.loads((ROOT / "cdk.json").read_bytes())["context"]
    return subprocess.run(
        command,
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "CDK_CONTEXT_JSON": json.dumps({**flags, **context}),
            "CDK_VALIDATION": "false",
            **variables,
        },
    )
