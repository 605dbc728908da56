"""Selection of component versions for the candidates of a device."""

import re
from typing import Any

from local_aws.account_region import Scope
from local_aws.errors import NotFoundError
from local_aws.services.greengrass.arns import component_version_arn
from local_aws.services.greengrass.aws_catalog import public_versions
from local_aws.services.greengrass.components import Components
from local_aws.services.greengrass.recipes import Recipe, write_recipe
from local_aws.services.greengrass.versions import satisfying

Params = dict[str, Any]


class Resolution:
    """The operation ResolveComponentCandidates."""

    def __init__(self, components: Components) -> None:
        self._components = components

    def resolve(self, scope: Scope, params: Params) -> Params:
        """Implement ResolveComponentCandidates: return each candidate's newest matching version.

        Raises:
            NotFoundError: no version of a candidate meets all requirements and fits the platform.
        """
        attributes = params.get("platform", {}).get("attributes", {})
        return {
            "resolvedComponentVersions": [
                self._resolve_one(scope, candidate, attributes)
                for candidate in params.get("componentCandidates", [])
            ]
        }

    def _resolve_one(self, scope: Scope, candidate: Params, attributes: dict[str, str]) -> Params:
        name = candidate.get("componentName", "")
        requirements = dict(candidate.get("versionRequirements", {}))
        if not requirements and "componentVersion" in candidate:
            requirements = {"THE_CANDIDATE": candidate["componentVersion"]}
        versions = self._components.versions(scope, name)
        for version in satisfying(versions, requirements.values()):
            record = self._components.find(scope, name, version)
            if record is not None and runs_on(record["recipe"], attributes):
                public = version in public_versions(name)
                return {
                    "arn": component_version_arn(scope, name, version, public=public),
                    "componentName": name,
                    "componentVersion": version,
                    "recipe": write_recipe(record["recipe"], "JSON"),
                    "vendorGuidance": "ACTIVE",
                }
        listed = ", ".join(f"{by} requires {text}" for by, text in requirements.items())
        raise NotFoundError(
            "COMPONENT",
            name,
            f"No version of component {name} satisfies its requirements on platform {attributes}:"
            f" {listed or 'none'}; known versions: {versions or 'none'}.",
        )


def runs_on(recipe: Recipe, attributes: dict[str, str]) -> bool:
    """Return whether a recipe has a manifest for a device's attributes; true without attributes."""
    if not attributes:
        return True
    return any(
        all(_matches(str(required), attributes.get(key)) for key, required in platform.items())
        for platform in (manifest.get("Platform", {}) for manifest in recipe["Manifests"])
    )


def _matches(required: str, actual: str | None) -> bool:
    if required in ("*", "all"):
        return True
    if actual is None:
        return False
    if len(required) > 1 and required.startswith("/") and required.endswith("/"):
        return re.fullmatch(required[1:-1], actual) is not None
    return required == actual
