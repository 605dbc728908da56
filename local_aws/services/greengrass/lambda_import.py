"""The recipe that AWS generates when a Lambda function is imported as a component.

Source: a recipe of AWS in the public repository kyopark2014/iot-greengrass (lambda.md).
"""

import json
from typing import Any

from local_aws.errors import ValidationError
from local_aws.services.greengrass.ports import FunctionVersion
from local_aws.services.greengrass.recipes import FORMAT_VERSION, Recipe, check_name, check_version
from local_aws.services.greengrass.versions import parse_requirement

ARTIFACT_NAME = "lambda-artifact.zip"
ARTIFACT_URI = f"greengrass:{ARTIFACT_NAME}"
_LAUNCHER = "{aws.greengrass.LambdaLauncher:artifacts:path}/lambda-launcher"
_RUNTIME_PROGRAMS = {
    "python": ("-u", "/runtime/python/lambda_runtime.py"),
    "nodejs": ("/runtime/nodejs/lambda_nodejs_runtime.js",),
    "java": ("-jar", "/runtime/java/lambda_java_runtime.jar"),
}
_DEPENDENCIES = {
    "aws.greengrass.LambdaLauncher": "HARD",
    "aws.greengrass.TokenExchangeService": "HARD",
    "aws.greengrass.LambdaRuntimes": "SOFT",
}


def lambda_recipe(function: FunctionVersion, source: dict[str, Any], digest: str) -> Recipe:
    """Return the recipe of a function version.

    ``source`` is a ``LambdaFunctionRecipeSource`` of the API. ``digest`` is the SHA-256 of the
    function's zip file, in base64.

    Raises:
        ValidationError: the runtime, the name, the version or a parameter is not valid.
    """
    platforms = source.get("componentPlatforms") or [{"attributes": {}}]
    artifact = {
        "Uri": ARTIFACT_URI,
        "Digest": digest,
        "Algorithm": "SHA-256",
        "Unarchive": "ZIP",
        "Permission": {"Read": "OWNER", "Execute": "NONE"},
    }
    return {
        "RecipeFormatVersion": FORMAT_VERSION,
        "ComponentName": check_name(source.get("componentName", function.name)),
        "ComponentVersion": check_version(
            source.get("componentVersion", f"{function.version}.0.0")
        ),
        "ComponentType": "aws.greengrass.lambda",
        "ComponentDescription": "",
        "ComponentPublisher": "AWS Lambda",
        "ComponentSource": function.arn,
        "ComponentConfiguration": {
            "DefaultConfiguration": _configuration(source.get("componentLambdaParameters", {}))
        },
        "ComponentDependencies": _dependencies(source.get("componentDependencies", {})),
        "Manifests": [
            {
                "Platform": dict(platform.get("attributes", {})),
                "Lifecycle": {},
                "Artifacts": [artifact],
            }
            for platform in platforms
        ],
        "Lifecycle": _lifecycle(function),
    }


def _dependencies(declared: dict[str, Any]) -> dict[str, Any]:
    dependencies: dict[str, Any] = {
        name: {"VersionRequirement": ">=2.0.0 <3.0.0", "DependencyType": kind}
        for name, kind in _DEPENDENCIES.items()
    }
    for name, dependency in declared.items():
        requirement = dependency.get("versionRequirement", "*")
        parse_requirement(requirement)
        dependencies[name] = {
            "VersionRequirement": requirement,
            "DependencyType": dependency.get("dependencyType", "HARD"),
        }
    return dependencies


def _configuration(parameters: dict[str, Any]) -> dict[str, Any]:
    linux = parameters.get("linuxProcessParams", {})
    container = linux.get("containerParams", {})
    pinned = parameters.get("pinned", True)
    if not pinned and "statusTimeoutInSeconds" in parameters:
        raise ValidationError("statusTimeoutInSeconds is for pinned functions only.")
    return {
        "lambdaExecutionParameters": {
            "EnvironmentVariables": parameters.get("environmentVariables", {})
        },
        "containerParams": {
            "memorySize": container.get("memorySizeInKB", 16384),
            "mountROSysfs": container.get("mountROSysfs", False),
            "volumes": _numbered(container.get("volumes", [])),
            "devices": _numbered(container.get("devices", [])),
        },
        "containerMode": linux.get("isolationMode", "GreengrassContainer"),
        "timeoutInSeconds": parameters.get("timeoutInSeconds", 3),
        "maxInstancesCount": parameters.get("maxInstancesCount", 100),
        "inputPayloadEncodingType": parameters.get("inputPayloadEncodingType", "json"),
        "maxQueueSize": parameters.get("maxQueueSize", 1000),
        "pinned": pinned,
        "maxIdleTimeInSeconds": parameters.get("maxIdleTimeInSeconds", 60),
        "statusTimeoutInSeconds": parameters.get("statusTimeoutInSeconds", 60),
        "pubsubTopics": _numbered(parameters.get("eventSources", [])),
    }


def _numbered(items: list[Any]) -> dict[str, Any]:
    return {str(position): item for position, item in enumerate(items)}


def _lifecycle(function: FunctionVersion) -> dict[str, Any]:
    family = next((name for name in _RUNTIME_PROGRAMS if function.runtime.startswith(name)), None)
    if family is None:
        raise ValidationError(
            f"Runtime {function.runtime} of {function.arn} does not run on Greengrass;"
            f" one of {sorted(_RUNTIME_PROGRAMS)} does."
        )
    program = function.runtime if family == "python" else family.removesuffix("js")
    arguments = [program, *_RUNTIME_PROGRAMS[family], f"--handler={function.handler}"]
    return {
        "startup": {"requiresPrivilege": True, "script": f"{_LAUNCHER} start"},
        "shutdown": {"requiresPrivilege": True, "script": f"{_LAUNCHER} stop; {_LAUNCHER} clean"},
        "setenv": {
            "AWS_GREENGRASS_LAMBDA_ARN": function.arn,
            "AWS_GREENGRASS_LAMBDA_FUNCTION_HANDLER": function.handler,
            "AWS_GREENGRASS_LAMBDA_RUNTIME": function.runtime,
            "AWS_GREENGRASS_LAMBDA_EXEC_ARGS": json.dumps(arguments),
            "AWS_GREENGRASS_LAMBDA_ARTIFACT_PATH": "{artifacts:decompressedPath}/lambda-artifact",
            "AWS_GREENGRASS_LAMBDA_CONTAINER_MODE": "{configuration:/containerMode}",
            "AWS_GREENGRASS_LAMBDA_CONTAINER_PARAMS": "{configuration:/containerParams}",
            "AWS_GREENGRASS_LAMBDA_PARAMS": "{configuration:/lambdaExecutionParameters}",
            "AWS_GREENGRASS_LAMBDA_ENCODING_TYPE": "{configuration:/inputPayloadEncodingType}",
            "AWS_GREENGRASS_LAMBDA_STATUS_TIMEOUT_SECONDS": (
                "{configuration:/statusTimeoutInSeconds}"
            ),
        },
    }
