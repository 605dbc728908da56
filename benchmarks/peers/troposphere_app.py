"""The same templates, written with troposphere: a peer that synthesis is measured against.

Writes OUT/<stack>.template.json for every stack of every environment, and the assets beside them.
The environment variable ENVIRONMENTS names another folder of environment files.
"""

import argparse
import os
import sys
from pathlib import Path

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
from benchmarks.peers.troposphere_stacks.stack import Stack


def main() -> None:
    """Write every template and asset; exit with 1 for what cannot be read, 2 for wrong usage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="the folder, made if it is not there")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    assets = Assets(out)
    folder = Path(os.environ.get("ENVIRONMENTS", ROOT / "environments"))
    try:
        for environment in load_environments(folder):
            for name, stack in _stacks(environment, assets).items():
                file = out / f"{environment.name}-{name}.template.json"
                file.write_text(stack.to_json(), encoding="utf-8")
    except ConfigError as error:
        sys.exit(str(error))


def _stacks(environment: Environment, assets: Assets) -> dict[str, Stack]:
    artifact = load_artifact(environment.model["name"], environment.model["digest"])
    return {
        "ModelStore": model_store(environment, assets),
        "Devices": devices(environment, assets),
        "Inference": inference(environment, assets, artifact),
        "Monitoring": monitoring(environment, assets),
    }


if __name__ == "__main__":
    main()
