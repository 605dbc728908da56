"""Rules about roles, their permissions and their trust policies."""

import re
from collections.abc import Iterator
from typing import Any

from deeplens.assembly import Stack, as_list, text
from deeplens.assembly.policy_documents import (
    allowed,
    documents,
    documents_in,
    identity_policies,
    is_everybody,
    is_in_account,
    statements,
)
from deeplens.config.deep_learning_containers import registry_accounts
from deeplens.policy.violation import Rule, Violation, violation

# Actions without resource types. Source: Service Authorization Reference.
_WITHOUT_RESOURCE_TYPES = {
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ecr:GetAuthorizationToken",
    "greengrass:ListCoreDevices",
    "greengrass:ListDeployments",
}
# The condition key that must limit each of these actions, which have no resource types.
_NARROWED_BY = {
    "cloudwatch:PutMetricData": "cloudwatch:namespace",
    "greengrass:CreateDeployment": "aws:RequestTag/",
}
# The accounts that own the registries of AWS Deep Learning Containers; stacks may refer to these
# accounts.
_REGISTRY = re.compile(rf"(?<=:)({'|'.join(sorted(registry_accounts()))})(?=:repository/)")
# Condition operators that require the key. Operators with `IfExists` or `ForAllValues` accept
# requests without the key.
_EQUALS = {"StringEquals", "ArnEquals"}
_LIKE = {"ArnLike", "StringLike"}
_TOO_MUCH = ("FullAccess", "AdministratorAccess", "PowerUserAccess")


def no_full_access(stacks: list[Stack]) -> Iterator[Violation]:
    """Reject managed policies with full access."""
    for stack in stacks:
        for logical_id, role in stack.definitions("AWS::IAM::Role"):
            for arn in role["Properties"].get("ManagedPolicyArns", []):
                if any(text(arn).endswith(name) for name in _TOO_MUCH):
                    yield violation(
                        stack,
                        "no-full-access",
                        logical_id,
                        f"list the required actions instead of {text(arn)}",
                    )


def no_action_wildcard(stacks: list[Stack]) -> Iterator[Violation]:
    """Reject wildcards in allowed actions."""
    for stack in stacks:
        for logical_id, document in identity_policies(stack):
            for action, _, _ in allowed(document):
                # IAM has two wildcards: `*` and `?`.
                if "*" in action or "?" in action:
                    yield violation(
                        stack,
                        "no-action-wildcard",
                        logical_id,
                        f"list the actions that {action} matches",
                    )


def no_resource_star(stacks: list[Stack]) -> Iterator[Violation]:
    """Reject the resource `*` in allowed actions, except for actions without resource types."""
    for stack in stacks:
        for logical_id, document in identity_policies(stack):
            for action, resource, statement in allowed(document):
                is_everything = resource == "*" or resource.startswith("arn:aws:*")
                condition_key = _NARROWED_BY.get(action)
                if condition_key and condition_key in text(statement.get("Condition", {})):
                    continue
                if is_everything and action not in _WITHOUT_RESOURCE_TYPES:
                    yield violation(
                        stack, "no-resource-star", logical_id, f"name the resources of {action}"
                    )


def trust_condition(stacks: list[Stack]) -> Iterator[Violation]:
    """Require conditions that limit trusted services to sources in the role's own account."""
    for stack in stacks:
        for logical_id, role in stack.definitions("AWS::IAM::Role"):
            for statement in statements(role["Properties"]["AssumeRolePolicyDocument"]):
                if "Service" not in statement.get("Principal", {}):
                    continue
                accounts = _values(statement, _EQUALS, "aws:SourceAccount")
                sources = _values(statement, _EQUALS | _LIKE, "aws:SourceArn")
                is_own = accounts == [stack.account] or (not accounts and sources)
                if not is_own or not all(
                    is_in_account(source, stack.account) for source in sources
                ):
                    yield violation(
                        stack,
                        "trust-condition",
                        logical_id,
                        f"trusts a service for accounts {accounts} and sources {sources}: expected "
                        f"aws:SourceAccount {stack.account}, and only sources in this account",
                    )


def _values(statement: dict[str, Any], operators: set[str], key: str) -> list[str]:
    """Return the values of a condition key under the given operators of a statement."""
    conditions = statement.get("Condition", {})
    return [
        text(value)
        for operator in sorted(operators & conditions.keys())
        for value in as_list(conditions[operator].get(key, []))
    ]


def no_inverted_allow(stacks: list[Stack]) -> Iterator[Violation]:
    """Reject statements that allow by exclusion (NotAction, NotResource or NotPrincipal)."""
    for stack in stacks:
        for logical_id, document in documents(stack):
            for statement in statements(document):
                inverted = sorted({"NotAction", "NotResource", "NotPrincipal"} & statement.keys())
                if statement["Effect"] == "Allow" and inverted:
                    yield violation(
                        stack,
                        "no-inverted-allow",
                        logical_id,
                        f"it allows by {', '.join(inverted)}: list the allowed values instead",
                    )


def no_public_access(stacks: list[Stack]) -> Iterator[Violation]:
    """Reject resource policies and Lambda permissions for all principals, even with a condition."""
    for stack in stacks:
        for logical_id, document in documents(stack):
            for statement in statements(document):
                if statement["Effect"] == "Allow" and is_everybody(statement.get("Principal", {})):
                    yield violation(
                        stack,
                        "no-public-access",
                        logical_id,
                        f"allows {text(statement.get('Action'))} to everybody: name the principals",
                    )
        for logical_id, permission in stack.definitions("AWS::Lambda::Permission"):
            if permission["Properties"].get("Principal") == "*":
                yield violation(
                    stack,
                    "no-public-access",
                    logical_id,
                    "name the service that may call the function",
                )


def no_open_trust(stacks: list[Stack]) -> Iterator[Violation]:
    """Reject trust policies that include everybody."""
    for stack in stacks:
        for logical_id, role in stack.definitions("AWS::IAM::Role"):
            for statement in statements(role["Properties"]["AssumeRolePolicyDocument"]):
                principal = statement.get("Principal", {})
                named = principal if isinstance(principal, str) else principal.get("AWS", "")
                if "*" in [text(name) for name in as_list(named)]:
                    yield violation(
                        stack,
                        "no-open-trust",
                        logical_id,
                        "name the principals that may assume the role",
                    )


def no_users(stacks: list[Stack]) -> Iterator[Violation]:
    """Reject users and permanent access keys."""
    for stack in stacks:
        for logical_id, _ in stack.definitions("AWS::IAM::User", "AWS::IAM::AccessKey"):
            yield violation(stack, "no-users", logical_id, "use a role with temporary credentials")


def no_physical_role_names(stacks: list[Stack]) -> Iterator[Violation]:
    """Reject fixed role and policy names, which prevent replacement and a second environment.

    DeepLens requires the names that begin with `AWSDeepLens`, so these are accepted.
    """
    for stack in stacks:
        for logical_id, role in stack.definitions("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
            name = role["Properties"].get("RoleName") or role["Properties"].get("ManagedPolicyName")
            if name and not text(name).startswith("AWSDeepLens"):
                yield violation(
                    stack,
                    "no-physical-role-names",
                    logical_id,
                    "remove the name: CloudFormation generates one",
                )


def only_own_account(stacks: list[Stack]) -> Iterator[Violation]:
    """Reject references to other accounts, except in pipelines and for AWS' container images."""
    for stack in stacks:
        if any(stack.definitions("AWS::CodePipeline::Pipeline")):
            continue
        for logical_id, resource in stack.definitions():
            content = _REGISTRY.sub("", text(resource))
            # Account ids occur in ARNs, and as principals without an ARN.
            for account in (*re.findall(r"(?<=:)[0-9]{12}(?=:)", content), *_principals(resource)):
                if account != stack.account:
                    yield violation(
                        stack, "only-own-account", logical_id, f"{account} is not {stack.account}"
                    )


def _principals(resource: dict[str, Any]) -> Iterator[str]:
    """Yield each account id that is a principal in one of a resource's policies."""
    for document in documents_in(resource.get("Properties", {})):
        for statement in statements(document):
            principal = statement.get("Principal", {})
            named = principal.get("AWS", []) if isinstance(principal, dict) else []
            yield from (
                name for name in map(text, as_list(named)) if re.fullmatch("[0-9]{12}", name)
            )


RULES: tuple[Rule, ...] = (
    no_full_access,
    no_action_wildcard,
    no_resource_star,
    trust_condition,
    no_inverted_allow,
    no_public_access,
    no_open_trust,
    no_users,
    no_physical_role_names,
    only_own_account,
)
