"""Component versions, which are immutable: creation, lists, descriptions and deletion."""

import asyncio
import base64
import hashlib
import re
from typing import Any

from local_aws.account_region import Scope
from local_aws.errors import ConflictError, NotFoundError, ValidationError
from local_aws.services.greengrass.arns import (
    PUBLIC,
    component_arn,
    component_version_arn,
    parse_component,
)
from local_aws.services.greengrass.aws_catalog import public_names, public_recipe, public_versions
from local_aws.services.greengrass.lambda_import import ARTIFACT_NAME, lambda_recipe
from local_aws.services.greengrass.paging import page
from local_aws.services.greengrass.ports import CloudServices
from local_aws.services.greengrass.recipes import (
    Recipe,
    artifacts,
    check_dependencies,
    check_name,
    check_version,
    platforms,
    read_recipe,
    write_recipe,
)
from local_aws.services.greengrass.store import GreengrassStore, now
from local_aws.services.greengrass.tags import check_tags
from local_aws.services.greengrass.versions import satisfying

Params = dict[str, Any]
_LAMBDA_ARN = re.compile(r"arn:aws:lambda:[^:]+:[0-9]{12}:function:[^:]+:(?P<version>[0-9]+)")


class Components:
    """The operations on component versions."""

    def __init__(
        self, store: GreengrassStore, cloud: CloudServices, creation_seconds: float = 0.0
    ) -> None:
        """Use a store; versions become deployable after `creation_seconds`."""
        self._store = store
        self._cloud = cloud
        self._creation_seconds = creation_seconds

    async def create(self, scope: Scope, params: Params) -> Params:
        """Implement CreateComponentVersion."""
        check_tags(params.get("tags", {}))
        has_recipe, has_function = "inlineRecipe" in params, "lambdaFunction" in params
        if has_recipe == has_function:
            raise ValidationError("Expected either inlineRecipe or lambdaFunction.")
        if has_recipe:
            recipe = read_recipe(params["inlineRecipe"])
            self._check_not_existing(scope, recipe)
            await self._fill_digests(scope, recipe)
        else:
            recipe = await self._from_function(scope, params["lambdaFunction"])
        self._check_not_existing(scope, recipe)
        name, version = recipe["ComponentName"], recipe["ComponentVersion"]
        record = {"recipe": recipe, "created": now(), "tags": params.get("tags", {})}
        self._store.region(scope).components.setdefault(name, {})[version] = record
        return {
            "arn": component_version_arn(scope, name, version),
            "componentName": name,
            "componentVersion": version,
            "creationTimestamp": record["created"],
            "status": {"componentState": "REQUESTED", "message": "NONE", "errors": {}},
        }

    def describe(self, scope: Scope, params: Params) -> Params:
        """Implement DescribeComponent."""
        record = self.record(scope, params["arn"])
        recipe = record["recipe"]
        return {
            "arn": params["arn"],
            "componentName": recipe["ComponentName"],
            "componentVersion": recipe["ComponentVersion"],
            "creationTimestamp": record["created"],
            "publisher": recipe.get("ComponentPublisher", ""),
            "description": recipe.get("ComponentDescription", ""),
            "status": {
                "componentState": self.state(record),
                "message": "NONE",
                "errors": {},
                "vendorGuidance": "ACTIVE",
            },
            "platforms": platforms(recipe),
            "tags": record["tags"],
        }

    def get(self, scope: Scope, params: Params) -> Params:
        """Implement GetComponent."""
        record = self.record(scope, params["arn"])
        output_format = params.get("recipeOutputFormat", "JSON")
        return {
            "recipeOutputFormat": output_format,
            "recipe": write_recipe(record["recipe"], output_format),
            "tags": record["tags"],
        }

    def delete(self, scope: Scope, params: Params) -> Params:
        """Implement DeleteComponent."""
        self.record(scope, params["arn"])
        arn = parse_component(scope, params["arn"])
        if arn.owner == PUBLIC or arn.version is None:
            raise ValidationError(f"{params['arn']} is a component of AWS and cannot be deleted.")
        versions = self._store.region(scope).components[arn.name]
        del versions[arn.version]
        if not versions:
            del self._store.region(scope).components[arn.name]
        return {}

    def list_components(self, scope: Scope, params: Params) -> Params:
        """Implement ListComponents."""
        public = params.get("scope", "PRIVATE") == "PUBLIC"
        names = public_names() if public else sorted(self._store.region(scope).components)
        return page("components", [self._summary(scope, name, public) for name in names], params)

    def list_versions(self, scope: Scope, params: Params) -> Params:
        """Implement ListComponentVersions."""
        arn = parse_component(scope, params["arn"])
        versions = self.versions(scope, arn.name)
        if not versions:
            raise NotFoundError("COMPONENT", params["arn"])
        public = arn.owner == PUBLIC
        listed = [
            {
                "componentName": arn.name,
                "componentVersion": version,
                "arn": component_version_arn(scope, arn.name, version, public=public),
            }
            for version in satisfying(versions, [])
        ]
        return page("componentVersions", listed, params)

    def artifact(self, scope: Scope, params: Params) -> Params:
        """Implement GetComponentVersionArtifact for the zip file of a Lambda component."""
        record = self.record(scope, params["arn"])
        key = _artifact_key(record["recipe"])
        if key is None or params["artifactName"] != ARTIFACT_NAME:
            raise NotFoundError("ARTIFACT", params["artifactName"])
        return {"preSignedUrl": self._cloud.artifact_url(scope, key)}

    def record(self, scope: Scope, arn: str) -> dict[str, Any]:
        """Return the record of a component version by its ARN.

        Raises:
            NotFoundError: the component version does not exist.
        """
        parsed = parse_component(scope, arn)
        if parsed.version is not None:
            record = self.find(scope, parsed.name, parsed.version)
            if record is not None:
                return record
        raise NotFoundError("COMPONENT", arn)

    def find(self, scope: Scope, name: str, version: str) -> dict[str, Any] | None:
        """Return the record of a private or public component version; None if it does not exist."""
        if version in public_versions(name):
            return {"recipe": public_recipe(name, version), "created": 0.0, "tags": {}}
        return self._store.region(scope).components.get(name, {}).get(version)

    def state(self, record: dict[str, Any]) -> str:
        """Return the state of a component version: ``REQUESTED`` or ``DEPLOYABLE``."""
        is_new = now() - record["created"] < self._creation_seconds
        return "REQUESTED" if is_new else "DEPLOYABLE"

    def versions(self, scope: Scope, name: str) -> list[str]:
        """Return the versions of a private or public component."""
        return [*self._store.region(scope).components.get(name, {}), *public_versions(name)]

    def _summary(self, scope: Scope, name: str, public: bool) -> Params:  # noqa: FBT001 - private function
        latest = satisfying(self.versions(scope, name), [])[0]
        record = self.find(scope, name, latest) or {}
        return {
            "arn": component_arn(scope, name, public=public),
            "componentName": name,
            "latestVersion": {
                "arn": component_version_arn(scope, name, latest, public=public),
                "componentVersion": latest,
                "creationTimestamp": record["created"],
                "description": record["recipe"].get("ComponentDescription", ""),
                "publisher": record["recipe"].get("ComponentPublisher", ""),
                "platforms": platforms(record["recipe"]),
            },
        }

    def _check_not_existing(self, scope: Scope, recipe: Recipe) -> None:
        name, version = recipe["ComponentName"], recipe["ComponentVersion"]
        if version in self._store.region(scope).components.get(name, {}):
            raise ConflictError(
                "COMPONENT",
                component_version_arn(scope, name, version),
                f"Component [{name} : {version}] for account [{scope.account}] already exists"
                " with state: [DEPLOYABLE]",
            )

    async def _fill_digests(self, scope: Scope, recipe: Recipe) -> None:
        for artifact in artifacts(recipe):
            bucket, _, key = artifact["Uri"].removeprefix("s3://").partition("/")
            digest = await asyncio.to_thread(self._object_digest, scope, bucket, key)
            if digest is None:
                raise unusable_artifact(artifact["Uri"])
            artifact.update(Digest=digest, Algorithm="SHA-256")

    def _object_digest(self, scope: Scope, bucket: str, key: str) -> str | None:
        content = self._cloud.read_object(scope, bucket, key)
        return None if content is None else _digest(content)

    async def _from_function(self, scope: Scope, source: Params) -> Recipe:
        arn = source["lambdaArn"]
        match = _LAMBDA_ARN.fullmatch(arn)
        if match is None:
            raise ValidationError(
                f"lambdaArn {arn} must name a published version, such as {arn.split('$')[0]}:1;"
                " neither $LATEST nor an alias can be imported."
            )
        function = self._cloud.function_version(scope, arn)
        if function is None:
            raise ValidationError(f"Lambda function version {arn} does not exist.")
        check_name(source.get("componentName", function.name))
        check_version(source.get("componentVersion", f"{function.version}.0.0"))
        digest = await asyncio.to_thread(_digest, function.code)
        recipe = lambda_recipe(function, source, digest)
        check_dependencies(recipe)
        key = _artifact_key(recipe)
        await asyncio.to_thread(self._cloud.store_artifact, scope, str(key), function.code)
        return recipe


def unusable_artifact(uri: str) -> ValidationError:
    """Return the error for an artifact that does not exist or that the caller cannot read."""
    return ValidationError(
        "The following artifacts of the recipe cannot be used:"
        f" [{uri}: Specified artifact resource cannot be accessed]"
    )


def _digest(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def _artifact_key(recipe: Recipe) -> str | None:
    if recipe.get("ComponentType") != "aws.greengrass.lambda":
        return None
    digest = base64.b64decode(artifacts(recipe)[0]["Digest"]).hex()
    return f"{digest}/{ARTIFACT_NAME}"
