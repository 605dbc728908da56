"""One synthesis, with cdk.json's flags, for every test here."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cloud assembly as `cdk deploy` would get it."""
    folder = tmp_path_factory.mktemp("assembly")
    context = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    subprocess.run(
        [ROOT / ".venv/bin/python", ROOT / "app.py"],
        cwd=ROOT,
        check=True,
        env={
            **os.environ,
            "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}",
            "CDK_OUTDIR": str(folder),
            "CDK_CONTEXT_JSON": json.dumps(context),
            # Validation is what `make check` does, on everything.
            "CDK_VALIDATION": "false",
        },
    )
    return folder


@pytest.fixture(scope="session")
def templates(assembly: Path) -> dict[str, dict[str, Any]]:
    """Every template, by the stack's name, for example `dev-Inference`."""
    found = {}
    for manifest in assembly.glob("assembly-*/manifest.json"):
        for artifact in json.loads(manifest.read_text(encoding="utf-8"))["artifacts"].values():
            if artifact["type"] == "aws:cloudformation:stack":
                file = manifest.parent / artifact["properties"]["templateFile"]
                template = json.loads(file.read_text(encoding="utf-8"))
                found[artifact["properties"]["stackName"]] = template
    return found
