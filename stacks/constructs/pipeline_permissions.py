"""What CDK Pipelines grants its own roles, written out.

The library grants by wildcard (`s3:GetObject*`, builds on `*`) and trusts services on behalf of
anybody. The statements are rewritten once, after the pipeline is built, to the actions that they
are used for and to the resources that are known.
"""

from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations, aws_codepipeline, aws_iam

# The stack of `cdk bootstrap`, as cdk.json names it.
_TOOLKIT = "DeepLensToolkit"

# Service Authorization Reference: what each wildcard is for in a pipeline.
_ACTIONS = {
    "s3:GetObject*": ["s3:GetObject", "s3:GetObjectVersion"],
    "s3:GetBucket*": ["s3:GetBucketLocation", "s3:GetBucketVersioning"],
    "s3:List*": ["s3:ListBucket"],
    "s3:DeleteObject*": ["s3:DeleteObject"],
    "s3:Abort*": ["s3:AbortMultipartUpload"],
    "kms:GenerateDataKey*": ["kms:GenerateDataKey"],
    "kms:ReEncrypt*": ["kms:ReEncryptFrom", "kms:ReEncryptTo"],
    # The service was renamed; a connection's ARN says under which name it is asked for.
    "codestar-connections:UseConnection": [
        "codeconnections:UseConnection",
        "codestar-connections:UseConnection",
    ],
}

# Builds are started by the role of the pipeline's actions, with the ARN of each project. No build
# writes test reports.
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
    """Return the qualifier in the names of what `cdk bootstrap` made: cdk.json's."""
    return str(stack.synthesizer.bootstrap_qualifier)


def apply_least_privilege(stack: Stack) -> None:
    """Rewrite policies and trust of every role in `stack`; accept what must stay a wildcard."""
    for one in stack.node.find_all():
        if isinstance(one, aws_iam.CfnRole):
            document = stack.resolve(one.assume_role_policy_document)
            one.assume_role_policy_document = _for_this_account(document, stack.account)
        elif isinstance(one, aws_iam.CfnPolicy):
            document = stack.resolve(one.policy_document)
            statements = [
                _narrowed(each, stack) for each in document["Statement"] if not _is_unused(each)
            ]
            one.policy_document = {**document, "Statement": statements}
            _accept(one, statements)
        elif isinstance(one, aws_codepipeline.CfnPipeline):
            _say_the_partition(one, stack)


def _for_this_account(document: dict[str, Any], account: str) -> dict[str, Any]:
    """Trust a service when it acts for this account; see `service_role.service_principal`."""
    statements = [
        {**one, "Condition": {"StringEquals": {"aws:SourceAccount": account}}}
        if "Service" in one["Principal"]
        else one
        for one in document["Statement"]
    ]
    return {**document, "Statement": statements}


def _is_unused(statement: dict[str, Any]) -> bool:
    """Return whether the library grants something that this pipeline never does."""
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
    """Return the resources that CDK Pipelines grants as `*`: those of `cdk bootstrap`."""
    account, region = stack.account, stack.region
    match action.partition(":")[0]:
        case "cloudformation":
            return f"arn:aws:cloudformation:{region}:{account}:stack/{_TOOLKIT}/*"
        case "s3":
            return f"arn:aws:s3:::cdk-{qualifier(stack)}-assets-{account}-{region}"
    raise ValueError(f"{action} on *: CDK Pipelines grants something new; say on what")


def _accept(policy: aws_iam.CfnPolicy, statements: list[dict[str, Any]]) -> None:
    wildcards = {
        text
        for one in statements
        for resource in _listed(one["Resource"])
        if "*" in (text := _text(resource))
    }
    Validations.of(policy).acknowledge(
        *(
            Acknowledgment(id=f"AwsSolutions-IAM5[Resource::{text}]", reason=_REASON)
            for text in sorted(wildcards)
        )
    )


def _say_the_partition(pipeline: aws_codepipeline.CfnPipeline, stack: Stack) -> None:
    """Write ARNs of roles as text: cdk.json says that `aws` is the only partition."""
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
    """Return a value as cdk-nag writes it: references as `<…>`."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    if function == "Fn::Join":
        return str(argument[0]).join(_text(part) for part in argument[1])
    return f"<{'.'.join(_listed(argument))}>"
