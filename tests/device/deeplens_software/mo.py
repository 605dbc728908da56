"""A double of the model optimizer of a DeepLens: `optimize(…) -> (status, path)`.

Source: AWS DeepLens Developer Guide, "Model optimization". The artifacts are in the folder
DEEPLENS_MODEL_DIRECTORY; a device has them in /opt/awscam/artifacts.
"""

import json
import os
from pathlib import Path


def optimize(
    model_name: str, input_width: int, input_height: int, platform: str = "mx"
) -> tuple[int, str]:
    if platform != "tf":
        return 1, ""
    artifacts = Path(os.environ["DEEPLENS_MODEL_DIRECTORY"])
    graph = artifacts / f"{model_name}.pb"
    if not graph.is_file() or max(input_width, input_height) > 1024:
        return 2, ""
    manifest = json.loads((artifacts / "manifest.json").read_text())
    optimized = Path.cwd() / f"{model_name}.xml"
    optimized.write_text(
        json.dumps(
            {
                "graph": str(graph),
                "size": [input_width, input_height],
                "input": manifest["input"]["name"],
                "outputs": {role: output["name"] for role, output in manifest["outputs"].items()},
            }
        )
    )
    return 0, str(optimized)
