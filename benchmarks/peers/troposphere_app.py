"""The same templates, written with troposphere: a peer that synthesis is measured against.

`python benchmarks/peers/troposphere_app.py OUT` writes `OUT/<stack>.template.json` for every stack
of every environment, and the assets beside them; `ENVIRONMENTS=FOLDER` takes the environment files
of another folder.
"""

import os
import sys
from pathlib import Path
from typing import Any

from troposphere import Tags, Template

from benchmarks.peers.troposphere_stacks.assets import Assets
from benchmarks.peers.troposphere_stacks.devices import devices
from benchmarks.peers.troposphere_stacks.environment import (
    ROOT,
    ConfigError,
    Environment,
    load_artifact,
    load_environments,
)
from benchmarks.peers.troposphere_stacks.inference import inference
from benchmarks.peers.troposphere_stacks.model_store import model_store
from benchmarks.peers.troposphere_stacks.monitoring import monitoring


def main(arguments: list[str]) -> int:
    """Write every template and asset; return an exit code."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    out = Path(arguments[0])
    out.mkdir(parents=True, exist_ok=True)
    assets = Assets(out)
    try:
        for environment in load_environments(
            Path(os.environ.get("ENVIRONMENTS", ROOT / "environments"))
        ):
            for stack, template in _templates(environment, assets).items():
                _tag(template, environment.tags)
                file = out / f"{environment.name}-{stack}.template.json"
                file.write_text(template.to_json(indent=1), encoding="utf-8")
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _templates(environment: Environment, assets: Assets) -> dict[str, Template]:
    artifact = load_artifact(environment.model["name"], environment.model["digest"])
    return {
        "ModelStore": model_store(environment, assets),
        "Devices": devices(environment),
        "Inference": inference(environment, assets, artifact),
        "Monitoring": monitoring(environment, assets),
    }


def _tag(template: Template, tags: dict[str, str]) -> None:
    resource: Any
    for resource in template.resources.values():
        if "Tags" in resource.props:
            resource.Tags = Tags(tags)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
