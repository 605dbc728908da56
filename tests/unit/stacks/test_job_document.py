"""The job document of a deployment to nucleus lite has at most 4,096 bytes."""

import json
from typing import Any

import pytest

from local_aws.services.greengrass.deployments import job_document
from stacks.constructs.deeplens_project import _POLICIES, _access_control, _configuration
from stacks.recipes import (
    LONGEST_VERSION,
    MAX_LITE_DOCUMENT_BYTES,
    RecipeError,
    check_job_document,
)

pytestmark = pytest.mark.process

IOT = "arn:aws:iot:ap-southeast-2:111111111111:thinggroup"
GREENGRASS = "arn:aws:greengrass:ap-southeast-2:111111111111:configuration:thinggroup"


def components(environment: str, model: str, topic: str) -> dict[str, Any]:
    """Return the components of a lite fleet in DeepLensProject's form."""
    inference = f"deeplens.{environment}.inference"
    names = (f"deeplens.{environment}.model.{model}", f"deeplens.{environment}.runtime")
    return {
        **{
            name: {"componentVersion": LONGEST_VERSION, **_configuration({}, reset=True)}
            for name in names
        },
        inference: {
            "componentVersion": LONGEST_VERSION,
            **_configuration(_access_control(inference, topic), reset=True),
        },
    }


def check(specifications: dict[str, Any], parent: str | None = None) -> None:
    check_job_document(
        "deeplens-production",
        target_arn=f"{IOT}/{'g' * 128}",
        parent_target_arn=parent,
        components=specifications,
        policies=_POLICIES,
    )


def test_the_longest_names_of_an_environment_fit() -> None:
    topic = "t" * 248 + "/{thing}"
    check(components("p" * 13, "m" * 63, topic), parent=f"{IOT}/{'f' * 128}")


def test_a_document_that_is_too_long_is_rejected_with_its_size_and_largest_component() -> None:
    specifications = components("dev", "shapes", "deeplens/{thing}/infer")
    specifications["deeplens.dev.inference"]["configurationUpdate"]["merge"] = json.dumps(
        {"a": "b" * 4096}
    )
    with pytest.raises(RecipeError) as raised:
        check(specifications)
    text = str(raised.value)
    assert text.startswith("deeplens-production: lite-job-document: the deployment has ")
    assert "expected at most 4,096; deeplens.dev.inference has " in text


def test_the_emulators_document_of_the_same_deployment_is_not_longer() -> None:
    """The emulator's job document is not longer than the document that the project computes.

    The comparison detects fields that one of the two writers lacks.
    """
    specifications = components("dev", "shapes", "deeplens/{thing}/infer")
    record = {
        "deploymentId": "0" * 36,
        "deploymentName": "deeplens-production",
        "configurationArn": f"{GREENGRASS}/{'g' * 128}:1",
        "created": 1.8e9,
        "parentTargetArn": f"{IOT}/{'f' * 128}",
        "deploymentPolicies": _POLICIES,
        "components": specifications,
    }
    size = len(json.dumps(job_document(record)).encode())
    merge = json.loads(specifications["deeplens.dev.inference"]["configurationUpdate"]["merge"])
    merge["filler"] = "x" * (MAX_LITE_DOCUMENT_BYTES - size)
    specifications["deeplens.dev.inference"]["configurationUpdate"]["merge"] = json.dumps(merge)
    with pytest.raises(RecipeError):
        check(specifications, parent=f"{IOT}/{'f' * 128}")
