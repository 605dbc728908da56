"""The resources and condition keys of SageMaker calls, for their authorization."""

from typing import Any

from local_aws.account_region import Scope
from local_aws.authorization.checks import Subjects
from local_aws.services.sagemaker.store import Params, Store

SERVICE_PRINCIPAL = "sagemaker.amazonaws.com"
_NAMES = {
    "EndpointConfigName": "endpoint-config",
    "EndpointName": "endpoint",
    "ModelName": "model",
    "ModelPackageGroupName": "model-package-group",
    "NotebookInstanceName": "notebook-instance",
    "PipelineName": "pipeline",
}
_ROLES = ("ExecutionRoleArn", "RoleArn")


def subjects(scope: Scope, params: Params) -> Subjects:
    """Return the resources and condition keys that authorize a control plane call.

    The resources need not exist.
    """
    resources = {
        f"sagemaker:{kind}": [Store.arn(scope, kind, params[name])]
        for name, kind in _NAMES.items()
        if name in params
    }
    roles = [params[name] for name in _ROLES if name in params]
    if roles:
        resources["iam:role"] = roles
    variants = params.get("ProductionVariants", [])
    models = [variant["ModelName"] for variant in variants if "ModelName" in variant]
    keys: dict[str, Any] = {
        "sagemaker:ModelArn": [Store.arn(scope, "model", name) for name in models] or None,
        "sagemaker:InstanceTypes": [
            variant["InstanceType"] for variant in variants if "InstanceType" in variant
        ]
        or None,
    }
    tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
    return Subjects(resources, tags=tags, keys=keys, passed_to=SERVICE_PRINCIPAL)


def invoked(scope: Scope, name: str, target_model: str | None) -> Subjects:
    """Return the resources and condition keys that authorize an InvokeEndpoint call."""
    endpoint = Store.arn(scope, "endpoint", name)
    return Subjects(
        {"sagemaker:endpoint": [endpoint]}, keys={"sagemaker:TargetModel": target_model}
    )
