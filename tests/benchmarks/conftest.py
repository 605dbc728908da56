"""Every peer's synthesis of the same environments, once."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.synth.synthesis import ROOT, synthesize
from tools.assembly import SynthesizedStack, read_assembly

PEERS = ROOT / "benchmarks" / "peers"
NODE = ROOT / ".venv" / "bin" / "node"
PYTHON = ROOT / ".venv" / "bin" / "python"
BENCHMARKS_PYTHON = ROOT / ".venv-benchmarks" / "bin" / "python"

_PIN = """
account = "444444444444"
region = "eu-west-1"

[model]
name = "shapes"
digest = "275e8b5625032e098f6eac3958348af6365488ac6d3ed2269291ec79d6e307c2"

"""
# Every default, and every setting that the peers have: none of its values is a default.
_SPARSE = _PIN + '[model_store]\n\n[fleet]\n\n[inference]\ntopic = "sparse/infer"\n'
_RICH = (
    'promoted_from = "dev"\n'
    + _PIN.replace("\n[model]", '\n[tags]\nteam = "vision"\nCost-Center = "42"\n\n[model]')
    + """
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
topic = "site/{thing}/infer"
frame_interval_seconds = 2
heartbeat_interval_seconds = 12.5
live_view_port = 8080
isolation_mode = "GreengrassContainer"
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
"""
)


def run(
    command: Sequence[str | Path], settings: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a peer with settings of the environment."""
    return subprocess.run(
        command,
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            # What the CDK command line passes, and nothing that is not about templates.
            "CDK_CONTEXT_JSON": json.dumps(json.loads((ROOT / "cdk.json").read_bytes())["context"]),
            "CDK_VALIDATION": "false",
            **settings,
        },
    )


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed environments, one that says nothing, and one that says everything."""
    folder = tmp_path_factory.mktemp("environments")
    for file in (ROOT / "environments").glob("*.toml"):
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "sparse.toml").write_text(_SPARSE, encoding="utf-8")
    (folder / "rich-one.toml").write_text(_RICH, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def own_assembly(environments: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    result = synthesize(folder, environments)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="session")
def own(own_assembly: Path) -> dict[str, SynthesizedStack]:
    """What app.py synthesizes, by the stack's name."""
    return {stack.name: stack for stack in read_assembly(own_assembly)}


@pytest.fixture(scope="session")
def default_assembly(environments: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("default")
    result = run(
        [PYTHON, PEERS / "default_app.py"],
        {
            "CDK_OUTDIR": str(folder),
            "ENVIRONMENTS": str(environments),
            "PATH": f"{NODE.parent}:{os.environ['PATH']}",
        },
    )
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="session")
def javascript(
    environments: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, SynthesizedStack]:
    """What the JavaScript twin synthesizes, by the stack's name."""
    folder = tmp_path_factory.mktemp("javascript")
    result = run(
        [NODE, PEERS / "javascript" / "app.js"],
        {"CDK_OUTDIR": str(folder), "ENVIRONMENTS": str(environments)},
    )
    assert result.returncode == 0, result.stderr
    return {stack.name: stack for stack in read_assembly(folder)}


@pytest.fixture(scope="session")
def troposphere(environments: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where troposphere wrote its templates."""
    folder = tmp_path_factory.mktemp("troposphere")
    result = run(
        [BENCHMARKS_PYTHON, PEERS / "troposphere_app.py", folder],
        {"ENVIRONMENTS": str(environments)},
    )
    assert result.returncode == 0, result.stderr
    return folder
