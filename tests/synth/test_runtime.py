"""The synthesized runtime component of a fleet with pins for both architectures."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from deeplens.assembly import Stack, by_environment, read_assembly, text
from deeplens.policy import violations
from tests.synth.synthesis import ROOT, synthesize
from tests.unit.runtime.wheelhouse import pinned_pair

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assembly of dev on nucleus classic and qa on lite, with a small runtime."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in ("cdk.json", "stacks", "lambda_src", "models"):
        (checkout / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "app.py", checkout)
    pins = pinned_pair(checkout / ".local/runtime")
    lines = "".join(f'{architecture} = "{digest}"\n' for architecture, digest in pins.items())
    dev = f"{(ROOT / 'environments/dev.toml').read_text(encoding='utf-8')}\n[runtime]\n{lines}"
    qa = dev.replace("deeplens-dev", "deeplens-qa").replace('"deeplens/', '"deeplens-qa/')
    qa = qa.replace("termination_protection = false", "")
    environments = checkout / "environments"
    environments.mkdir()
    (environments / "dev.toml").write_text(dev, encoding="utf-8")
    (environments / "qa.toml").write_text(
        qa.replace("[fleet]", '[fleet]\ncore_runtime = "lite"'), encoding="utf-8"
    )
    folder = tmp_path_factory.mktemp("assembly")
    result = synthesize(folder, environments, checkout)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(params=["dev", "qa"])
def stacks(request: pytest.FixtureRequest, assembly: Path) -> list[Stack]:
    return by_environment(read_assembly(assembly))[request.param]


def components(stacks: list[Stack]) -> dict[str, dict[str, Any]]:
    """Return the definition of every component by its name without the environment."""
    definitions = {}
    for stack in stacks:
        for _, resource in stack.definitions("Custom::GreengrassComponent"):
            given = resource["Properties"]
            definition = json.loads(text(given.get("Recipe") or given["LambdaFunction"]))
            name = definition.get("ComponentName") or definition["componentName"]
            definitions[name.split(".", 2)[2]] = definition
    return definitions


def test_each_architecture_has_its_archive_and_both_have_one_folder(stacks: list[Stack]) -> None:
    recipe = components(stacks)["runtime"]
    by_architecture = {
        manifest["Platform"]["architecture"]: manifest for manifest in recipe["Manifests"]
    }
    assert set(by_architecture) == {"amd64", "aarch64"}
    uris = {manifest["Artifacts"][0]["Uri"] for manifest in recipe["Manifests"]}
    assert len(uris) == 2
    name = recipe["ComponentName"]

    inference = components(stacks)["inference"]
    if "Manifests" in inference:
        # Nucleus lite limits the install step to 300 s, so the camera installs the runtime.
        assert all(manifest["Lifecycle"]["install"] == "true" for manifest in recipe["Manifests"])
        [run] = [manifest["Lifecycle"]["run"] for manifest in inference["Manifests"]]
        below = f"packages/artifacts-unarchived/{name}/{recipe['ComponentVersion']}/runtime"
        start = f"exec python3.12 -u -m first_start {{kernel:rootPath}}/{below} "
        assert re.fullmatch(
            re.escape(f"{start}{{work:path}}/runtime/") + "[0-9a-f]{16}", run["Script"]
        )
    else:
        [script] = {manifest["Lifecycle"]["install"]["Script"] for manifest in recipe["Manifests"]}
        variables = inference["componentLambdaParameters"]["environmentVariables"]
        place = f"{{{name}:work:path}}/{script.rpartition('/')[2]}"
        assert variables["DEEPLENS_PACKAGES"] == f"{place}/lib/python3.12/site-packages"


def test_the_release_holds_the_runtime_exactly(stacks: list[Stack]) -> None:
    runtime = components(stacks)["runtime"]
    name, version = runtime["ComponentName"], runtime["ComponentVersion"]
    inference = components(stacks)["inference"]
    if "componentDependencies" in inference:
        assert inference["componentDependencies"][name]["versionRequirement"] == f"={version}"
    else:
        assert f"/{name}/{version}/runtime " in json.dumps(inference["Manifests"])
    [project] = [
        resource for stack in stacks for _, resource in stack.definitions("Custom::DeepLensProject")
    ]
    deployed = json.loads(text(project["Properties"]["Components"]))
    assert deployed[name]["componentVersion"] == version


def test_greengrass_own_digests_are_compared_with_the_pins(stacks: list[Stack]) -> None:
    [resource] = [
        resource
        for stack in stacks
        for _, resource in stack.definitions("Custom::GreengrassComponent")
        if "runtime" in text(resource["Properties"]["Arn"])
    ]
    promised = resource["Properties"]["ArtifactSha256"]
    assert len(promised) == 2
    assert all(digest in text(uri) for uri, digest in promised.items())


def test_a_fleet_with_a_runtime_breaks_no_rule(stacks: list[Stack]) -> None:
    assert [str(finding) for finding in violations(stacks)] == []
