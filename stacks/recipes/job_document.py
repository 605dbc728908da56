"""The size of the job document of a deployment.

Sources: the document that AWS IoT Greengrass writes for a deployment, as the nucleus reads it
(aws-greengrass-nucleus, `Configuration`), and the limit of nucleus lite 2.6.0.
"""

import json
from collections.abc import Mapping
from typing import Any

from stacks.recipes.errors import RecipeError

# Nucleus lite rejects a longer document.
LARGEST_LITE_DOCUMENT_BYTES = 4_096

_UUID = "0" * 36
_LATEST_REVISION = 999_999


def check_job_document(
    name: str,
    *,
    target_arn: str,
    parent_target_arn: str | None,
    components: Mapping[str, Mapping[str, Any]],
    policies: Mapping[str, Any],
) -> None:
    """Reject a deployment whose job document nucleus lite would not read.

    Args:
        name: of the deployment.
        target_arn: of the thing group.
        parent_target_arn: of the fleet, if the thing group is a wave.
        components: as in CreateDeployment; a version that is not known yet has its longest form.
        policies: of the deployment.

    Raises:
        RecipeError: with the size, the limit, and the largest component.
    """
    parts = {
        component: _component(specification) for component, specification in components.items()
    }
    kind_and_name = target_arn.rpartition(":")[2]
    document = {
        **({"onBehalfOf": parent_target_arn} if parent_target_arn else {}),
        "schemaDate": "2021-05-17",
        "deploymentId": _UUID,
        "deploymentName": name,
        "configurationArn": (
            f"{target_arn.replace(':iot:', ':greengrass:').removesuffix(kind_and_name)}"
            f"configuration:{kind_and_name}:{_LATEST_REVISION}"
        ),
        "creationTimestamp": 10**13 - 1,
        "components": parts,
        **policies,
    }
    size = _bytes(document)
    if size > LARGEST_LITE_DOCUMENT_BYTES:
        largest = max(parts, key=lambda component: _bytes(parts[component]))
        raise RecipeError(
            f"{name}: lite-job-document: the deployment has {size:,} bytes: expected at most "
            f"{LARGEST_LITE_DOCUMENT_BYTES:,}; {largest} has {_bytes(parts[largest]):,} of them: "
            "shorten inference.topic or the names of the environment, the model and the fleet"
        )


def _component(specification: Mapping[str, Any]) -> dict[str, Any]:
    """Return a component as the document has it; what is merged is JSON, not text."""
    update = dict(specification.get("configurationUpdate", {}))
    if "merge" in update:
        update["merge"] = json.loads(update["merge"])
    return {
        "version": specification["componentVersion"],
        "runWith": {},
        **({"configurationUpdate": update} if update else {}),
    }


def _bytes(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())
