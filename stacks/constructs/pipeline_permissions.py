"""Least privilege for the roles of CDK Pipelines.

The library grants wildcards (`s3:GetObject*`, builds on `*`) and trusts services without
conditions. After the pipeline is built, this module limits the library's statements to the required
actions and resources.
"""

from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations, aws_codepipeline, aws_iam

# The name of the stack of `cdk bootstrap`, as in cdk.json.
_TOOLKIT = "DeepLensToolkit"

# The actions that replace a wildcard or an action of the library. Source: Service Authorization
# Reference.
_ACTIONS = {
    "s3:GetObject*": ["s3:GetObject", "s3:GetObjectVersion"],
    "s3:GetBucket*": ["s3:GetBucketLocation", "s3:GetBucketVersioning"],
    "s3:List*": ["s3:ListBucket"],
    "s3:DeleteObject*": ["s3:DeleteObject"],
    "s3:Abort*": ["s3:AbortMultipartUpload"],
    "kms:GenerateDataKey*": ["kms:GenerateDataKey"],
    "kms:ReEncrypt*": ["kms:ReEncryptFrom", "kms:ReEncryptTo"],
    # The service was renamed, and the ARN of a connection determines the name that applies.
    "codestar-connections:UseConnection": [
        "codeconnections:UseConnection",
        "codestar-connections:UseConnection",
    ],
}

# Actions that the pipeline does not require. The role of the pipeline's actions starts builds by
# the ARN of each project, and no build writes test reports.
_NEVER_USED = {
    "codebuild:BatchPutCodeCoverages",
    "codebuild:BatchPutTestCases",
    "codebuild:CreateReport",
    "codebuild:CreateReportGroup",
    "codebuild:UpdateReport",
}
_STARTS_BUILDS = {"codebuild:BatchGetBuilds", "codebuild:StartBuild", "codebuild:StopBuild"}

_REASON = (
    "objects of one bucket, streams of one log, or the bootstrap roles of one account by their "
    "tag: their names are made at run time"
)


def qualifier(stack: Stack) -> str:
    """Return the qualifier of the resources of `cdk bootstrap`, from cdk.json."""
    return str(stack.synthesizer.bootstrap_qualifier)


def apply_least_privilege(stack: Stack) -> None:
    """Limit the policies and the trust of every role in `stack`; suppress wildcard findings."""
    for node in stack.node.find_all():
        if isinstance(node, aws_iam.CfnRole):
            document = stack.resolve(node.assume_role_policy_document)
            node.assume_role_policy_document = _for_this_account(document, stack.account)
        elif isinstance(node, aws_iam.CfnPolicy):
            document = stack.resolve(node.policy_document)
            statements = [
                _narrowed(each, stack) for each in document["Statement"] if not _is_unused(each)
            ]
            node.policy_document = {**document, "Statement": statements}
            _accept(node, statements)
        elif isinstance(node, aws_codepipeline.CfnPipeline):
            _set_partition(node, stack)


def _for_this_account(document: dict[str, Any], account: str) -> dict[str, Any]:
    """Restrict a service's trust to this account; see `service_role.service_principal`."""
    statements = [
        {**statement, "Condition": {"StringEquals": {"aws:SourceAccount": account}}}
        if "Service" in statement["Principal"]
        else statement
        for statement in document["Statement"]
    ]
    return {**document, "Statement": statements}


def _is_unused(statement: dict[str, Any]) -> bool:
    """Return True if this pipeline never uses the actions of a statement."""
    actions = set(_listed(statement["Action"]))
    return actions <= _NEVER_USED or (actions <= _STARTS_BUILDS and statement["Resource"] == "*")


def _narrowed(statement: dict[str, Any], stack: Stack) -> dict[str, Any]:
    actions = [
        named for action in _listed(statement["Action"]) for named in _ACTIONS.get(action, [action])
    ]
    resource = statement["Resource"]
    if resource == "*":
        resource = sorted({_known_resource(action, stack) for action in actions})
    return {**statement, "Action": sorted(set(actions)), "Resource": resource}


def _known_resource(action: str, stack: Stack) -> str:
    """Return the resource of `cdk bootstrap` that replaces `*` in a statement with `action`.

    Raises:
        ValueError: the service of `action` has no such resource.
    """
    account, region = stack.account, stack.region
    match action.partition(":")[0]:
        case "cloudformation":
            return f"arn:aws:cloudformation:{region}:{account}:stack/{_TOOLKIT}/*"
        case "s3":
            return f"arn:aws:s3:::cdk-{qualifier(stack)}-assets-{account}-{region}"
    raise ValueError(
        f"{action} on *: CDK Pipelines grants a new action: add its resources to `_known_resource`"
    )


def _accept(policy: aws_iam.CfnPolicy, statements: list[dict[str, Any]]) -> None:
    wildcards = {
        text
        for statement in statements
        for resource in _listed(statement["Resource"])
        if "*" in (text := _text(resource))
    }
    Validations.of(policy).acknowledge(
        *(
            Acknowledgment(id=f"AwsSolutions-IAM5[Resource::{text}]", reason=_REASON)
            for text in sorted(wildcards)
        )
    )


def _set_partition(pipeline: aws_codepipeline.CfnPipeline, stack: Stack) -> None:
    """Write role ARNs as literals, because cdk.json permits only the partition `aws`."""
    for position, stage in enumerate(stack.resolve(pipeline.stages)):
        for number, action in enumerate(stage["actions"]):
            at = f"Stages.{position}.Actions.{number}"
            configuration = action.get("configuration") or {}
            for path, value in (
                (f"{at}.RoleArn", action.get("roleArn")),
                (f"{at}.Configuration.RoleArn", configuration.get("RoleArn")),
            ):
                if isinstance(value, dict) and "Fn::Join" in value:
                    pipeline.add_property_override(
                        path, _text(value).replace("<AWS::Partition>", "aws")
                    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    """Return a value in the notation of cdk-nag, which writes references as `<…>`."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    if function == "Fn::Join":
        return str(argument[0]).join(_text(part) for part in argument[1])
    return f"<{'.'.join(_listed(argument))}>"
