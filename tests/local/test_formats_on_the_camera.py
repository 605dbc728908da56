"""Models of all formats become artifacts, which reach the camera by `cdk deploy`."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from deeplens.cli.main import main
from model_tools.samples.shapes.drawing import write_scenes
from testkit.checkout import Checkout, first_of, heartbeat, virtual_camera
from tests.unit.model_tools.conftest import trained_models

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.slow,
    pytest.mark.walk,
    pytest.mark.timeout(1500),
    pytest.mark.filterwarnings("ignore"),
]

# One model for each format that model_tools reads.
FORMATS = ("saved_model_1", "sagemaker_tar", "checkpoint", "pbtxt", "saved_model_2", "keras", "h5",
           "frozen")  # fmt: skip
# The deployed models: one per framework, because artifacts do not depend on the source format.
DEPLOYED = ("saved_model_1", "keras", "frozen")
POSES = ("left", "right", "up", "down", "ahead")

__all__ = ["trained_models"]


def deeplens(*arguments: object) -> Any:
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout) if "--json" in arguments else result.stdout


def artifact(checkout: Checkout, source: Path, name: str, checkpoint: Path) -> str:
    """Freeze, package and verify a model; return the artifact's digest."""
    frozen = checkout.root / "build" / name
    weights = ("--checkpoint", checkpoint) if name == "pbtxt" else ()
    deeplens("model", "freeze", source, frozen, *weights)
    labels = checkout.root / "poses.txt"
    labels.write_text("\n".join(POSES))
    packaged = deeplens("model",
        "package", frozen, "--labels", labels, "--name", "poses", "--mean", "127.5",
        "--scale", "0.00784313725", "--json",
    )  # fmt: skip
    deeplens("model", "verify", packaged["path"])
    digest: str = packaged["sha256"]
    return digest


def test_models_of_every_format_are_packaged_and_run_on_the_camera(
    deployed: Checkout, trained_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = deployed
    monkeypatch.chdir(checkout.root)
    write_scenes(checkout.root / ".local/scenes", 4, seed=0)
    environment = checkout.root / "environments/dev.toml"
    text = environment.read_text(encoding="utf-8")
    environment.write_text(text.replace("threshold = 0.5", "threshold = 0.0"), encoding="utf-8")
    digests = {
        name: artifact(checkout, trained_models[name], name, trained_models["checkpoint"])
        for name in FORMATS
    }
    assert len(set(digests.values())) == len(FORMATS)
    deeplens("release", "pin", environment, digests[DEPLOYED[0]])
    checkout.demo("deploy", "dev")
    with virtual_camera(checkout):
        first_of(checkout, digests[DEPLOYED[0]])
        for name in DEPLOYED[1:]:
            deeplens("release", "pin", environment, digests[name])
            printed = checkout.demo("deploy", "dev")
            assert "1 of 1 reachable devices run the release" in printed, name
            assert heartbeat(checkout)["model"]["digest"] == digests[name]
            message = first_of(checkout, digests[name])
            assert {one["label"] for one in message["detections"]} == set(POSES)
