"""A deployment's effect on cameras is described by component."""

import json
from typing import Any

from deeplens.review.devices import compare_devices, format_bytes

NUCLEUS = {"aws.greengrass.Nucleus": {"componentVersion": "2.16.1"}}


def project(components: dict[str, Any], group: str = "cameras") -> dict[str, Any]:
    properties = {"Components": json.dumps(components), "ThingGroupName": group}
    return {"Type": "Custom::DeepLensProject", "Properties": properties}


def function(name: str, needs: str) -> dict[str, Any]:
    definition = {
        "componentName": name,
        "componentDependencies": {needs: {"dependencyType": "HARD"}},
    }
    return {
        "Type": "Custom::GreengrassComponent",
        "Properties": {"LambdaFunction": json.dumps(definition)},
    }


def model(version: str, digest: str) -> dict[str, Any]:
    recipe = {
        "ComponentName": "model",
        "Manifests": [{"Artifacts": [{"Uri": f"s3://b/{digest}/model.zip"}]}],
    }
    return {
        "Type": "Custom::GreengrassComponent",
        "Properties": {"Recipe": json.dumps(recipe), "Version": version},
    }


def test_a_new_model_is_downloaded_and_restarts_dependent_components(
    environment: Any, tmp_path: Any
) -> None:
    def side(version: str, letter: str, size: int) -> Any:
        archive = tmp_path / f"{letter}.zip"
        archive.write_bytes(b"x" * size)
        components = {
            **NUCLEUS,
            "model": {"componentVersion": version},
            "inference": {"componentVersion": "1.0.0"},
        }
        return environment(
            assets={letter * 64: archive},
            Inference={
                "Project": project(components),
                "Model": model(version, letter * 64),
                "Function": function("inference", "model"),
            },
        )

    change = compare_devices(side("1.0.0", "a", 10), side("1.1.0", "b", 2048))
    assert [(component.name, component.version_after) for component in change.components] == [
        ("model", "1.1.0")
    ]
    assert change.download_bytes == 2048
    assert change.runs_anew == ("inference", "model")
    assert change.sentences == (
        "Each camera downloads about 2.0 KiB of this project's components.",
        "inference and model restart on each camera; the core software does not.",
    )


def test_a_model_has_its_own_version(environment: Any, tmp_path: Any) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(b"x")

    def side(version: str, model_version: str) -> Any:
        resource = model(version, "a" * 64)
        recipe = json.loads(resource["Properties"]["Recipe"])
        recipe["ComponentDescription"] = f"TensorFlow model shapes {model_version}"
        resource["Properties"]["Recipe"] = json.dumps(recipe)
        components = {"model": {"componentVersion": version}}
        return environment(
            assets={"a" * 64: archive},
            Inference={"Project": project(components), "Model": resource},
        )

    (change,) = compare_devices(side("1.12.345", "1.0.0"), side("1.6.789", "1.1.0")).components
    assert change.version_before == "1.12.345 (TensorFlow model shapes 1.0.0)"
    assert change.version_after == "1.6.789 (TensorFlow model shapes 1.1.0)"


def test_another_nucleus_restarts_the_core_software_and_is_an_alarm(environment: Any) -> None:
    newer = {"aws.greengrass.Nucleus": {"componentVersion": "2.17.0"}}
    change = compare_devices(
        environment(Inference={"Project": project(NUCLEUS)}),
        environment(Inference={"Project": project(newer)}),
    )
    assert change.core_restarts
    (alarm,) = change.alarms
    assert alarm.startswith("THE CORE SOFTWARE RESTARTS ")


def test_an_omitted_component_is_removed(environment: Any) -> None:
    change = compare_devices(
        environment(
            Inference={"Project": project({**NUCLEUS, "old": {"componentVersion": "1.0.0"}})}
        ),
        environment(Inference={"Project": project(NUCLEUS)}),
    )
    assert [(component.name, component.kind) for component in change.components] == [
        ("old", "removed")
    ]
    assert change.runs_anew == ()
    assert change.sentences[-1].startswith("Components are removed")


def test_another_kind_of_component_is_an_alarm(environment: Any) -> None:
    manager = {"aws.greengrass.LambdaManager": {"componentVersion": "2.3.7"}}
    run = {"run": {"Script": "python -m camera", "Setenv": {"MY_FUNCTION_ARN": "arn:1"}}}
    recipe = {"ComponentName": "camera", "Manifests": [{"Lifecycle": run}]}
    generic = {
        "Type": "Custom::GreengrassComponent",
        "Properties": {"Recipe": json.dumps(recipe)},
    }
    as_lambda = environment(
        Inference={
            "Project": project({**NUCLEUS, **manager, "inference": {"componentVersion": "1.0.0"}}),
            "Function": function("inference", "model"),
        }
    )
    as_generic = environment(
        Inference={
            "Project": project({**NUCLEUS, "camera": {"componentVersion": "1.0.0"}}),
            "Camera": generic,
        }
    )
    change = compare_devices(as_lambda, as_generic)
    assert change.core_restarts
    assert "CHANGES: camera (generic) replaces inference." in change.alarms[-1]
    back = compare_devices(as_generic, as_lambda)
    assert not back.core_restarts
    assert "CHANGES: inference (Lambda) replaces camera." in back.alarms[-1]


def test_another_fleet_and_no_project_are_alarms(environment: Any) -> None:
    before = environment(Inference={"Project": project(NUCLEUS)})
    other = environment(Inference={"Project": project(NUCLEUS, "others")})
    assert "from cameras to others" in compare_devices(before, other).alarms[0]
    assert "THE PROJECT IS REMOVED" in compare_devices(before, environment(Inference={})).alarms[0]


def test_sizes_are_in_powers_of_1024() -> None:
    assert [
        format_bytes(0),
        format_bytes(1023),
        format_bytes(1024),
        format_bytes(3 << 20),
        format_bytes(5 << 30),
    ] == [
        "0 bytes",
        "1023 bytes",
        "1.0 KiB",
        "3.0 MiB",
        "5.0 GiB",
    ]
