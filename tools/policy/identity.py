"""Who may do what."""

import re
from collections.abc import Iterator
from typing import Any

from deeplens.config.deep_learning_containers import registry_accounts
from tools.policy.reading import (
    Finding,
    Rule,
    Stack,
    allowed,
    documents,
    documents_of,
    identity_policies,
    is_everybody,
    listed,
    names_own,
    statements,
    text,
)

# Service Authorization Reference: these take no resource but `*`.
_KNOW_NO_RESOURCES = {
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ecr:GetAuthorizationToken",
    "greengrass:ListCoreDevices",
    "greengrass:ListDeployments",
}
# These neither, but a condition narrows them.
_NARROWED_BY = {
    "cloudwatch:PutMetricData": "cloudwatch:namespace",
    "greengrass:CreateDeployment": "aws:RequestTag/",
}
# AWS' containers are pulled from accounts of AWS'.
_REGISTRY = re.compile(rf"(?<=:)({'|'.join(sorted(registry_accounts()))})(?=:repository/)")
# Condition operators; those with IfExists or a set prefix let requests without the key pass.
_EQUALS = {"StringEquals", "ArnEquals"}
_LIKE = {"ArnLike", "StringLike"}
_TOO_MUCH = ("FullAccess", "AdministratorAccess", "PowerUserAccess")


def no_full_access(stacks: list[Stack]) -> Iterator[Finding]:
    """No role has one of AWS' broad managed policies."""
    for stack in stacks:
        for logical_id, role in stack.resources("AWS::IAM::Role"):
            for arn in role["Properties"].get("ManagedPolicyArns", []):
                if any(text(arn).endswith(name) for name in _TOO_MUCH):
                    yield stack.finding(
                        "no-full-access", logical_id, f"write out what it needs, not {text(arn)}"
                    )


def no_action_wildcard(stacks: list[Stack]) -> Iterator[Finding]:
    """No policy allows all actions of a service."""
    for stack in stacks:
        for logical_id, document in identity_policies(stack):
            for action, _, _ in allowed(document):
                # IAM has two wildcards.
                if "*" in action or "?" in action:
                    yield stack.finding(
                        "no-action-wildcard",
                        logical_id,
                        f"name the actions that {action} stands for",
                    )


def no_resource_star(stacks: list[Stack]) -> Iterator[Finding]:
    """No policy allows something on everything."""
    for stack in stacks:
        for logical_id, document in identity_policies(stack):
            for action, resource, statement in allowed(document):
                is_everything = resource == "*" or resource.startswith("arn:aws:*")
                narrow = _NARROWED_BY.get(action)
                if narrow and narrow in text(statement.get("Condition", {})):
                    continue
                if is_everything and action not in _KNOW_NO_RESOURCES:
                    yield stack.finding(
                        "no-resource-star", logical_id, f"name the resources of {action}"
                    )


def trust_condition(stacks: list[Stack]) -> Iterator[Finding]:
    """A role that trusts a service says for whose resources."""
    for stack in stacks:
        for logical_id, role in stack.resources("AWS::IAM::Role"):
            for statement in statements(role["Properties"]["AssumeRolePolicyDocument"]):
                if "Service" not in statement.get("Principal", {}):
                    continue
                accounts = _values(statement, _EQUALS, "aws:SourceAccount")
                sources = _values(statement, _EQUALS | _LIKE, "aws:SourceArn")
                is_own = accounts == [stack.account] or (not accounts and sources)
                if not is_own or not all(names_own(one, stack.account) for one in sources):
                    yield stack.finding(
                        "trust-condition",
                        logical_id,
                        f"trusts a service for accounts {accounts} and sources {sources}: expected "
                        f"aws:SourceAccount {stack.account}, and no source but of this account",
                    )


def _values(statement: dict[str, Any], operators: set[str], key: str) -> list[str]:
    """Return what a condition compares a key with, by operators that no request escapes."""
    conditions = statement.get("Condition", {})
    return [
        text(value)
        for operator in sorted(operators & conditions.keys())
        for value in listed(conditions[operator].get(key, []))
    ]


def no_inverted_allow(stacks: list[Stack]) -> Iterator[Finding]:
    """An Allow with NotAction, NotResource or NotPrincipal grants what nobody has listed."""
    for stack in stacks:
        for logical_id, document in documents(stack):
            for statement in statements(document):
                inverted = sorted({"NotAction", "NotResource", "NotPrincipal"} & statement.keys())
                if statement["Effect"] == "Allow" and inverted:
                    yield stack.finding(
                        "no-inverted-allow",
                        logical_id,
                        f"allows with {', '.join(inverted)}: list what is allowed instead",
                    )


def no_public_access(stacks: list[Stack]) -> Iterator[Finding]:
    """No bucket, topic, queue, key or function allows anybody anything, whatever the condition."""
    for stack in stacks:
        for logical_id, document in documents(stack):
            for statement in statements(document):
                if statement["Effect"] == "Allow" and is_everybody(statement.get("Principal", {})):
                    yield stack.finding(
                        "no-public-access",
                        logical_id,
                        f"allows {text(statement.get('Action'))} to everybody: name the principals",
                    )
        for logical_id, permission in stack.resources("AWS::Lambda::Permission"):
            if permission["Properties"].get("Principal") == "*":
                yield stack.finding("no-public-access", logical_id, "name the service that calls")


def no_open_trust(stacks: list[Stack]) -> Iterator[Finding]:
    """No role can be assumed by everybody."""
    for stack in stacks:
        for logical_id, role in stack.resources("AWS::IAM::Role"):
            for statement in statements(role["Properties"]["AssumeRolePolicyDocument"]):
                principal = statement.get("Principal", {})
                named = principal if isinstance(principal, str) else principal.get("AWS", "")
                if "*" in [text(one) for one in listed(named)]:
                    yield stack.finding("no-open-trust", logical_id, "name who may assume it")


def no_users(stacks: list[Stack]) -> Iterator[Finding]:
    """People and keys that live for ever are no part of an environment."""
    for stack in stacks:
        for logical_id, _ in stack.resources("AWS::IAM::User", "AWS::IAM::AccessKey"):
            yield stack.finding("no-users", logical_id, "use a role with temporary credentials")


def no_physical_role_names(stacks: list[Stack]) -> Iterator[Finding]:
    """A named role cannot be replaced, and two environments of one account collide."""
    for stack in stacks:
        for logical_id, role in stack.resources("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
            name = role["Properties"].get("RoleName") or role["Properties"].get("ManagedPolicyName")
            if name and not text(name).startswith("AWSDeepLens"):
                yield stack.finding("no-physical-role-names", logical_id, "leave the name to AWS")


def only_own_account(stacks: list[Stack]) -> Iterator[Finding]:
    """Nothing points into another account, but at AWS' own images and where a pipeline goes."""
    for stack in stacks:
        if any(stack.resources("AWS::CodePipeline::Pipeline")):
            continue
        for logical_id, resource in stack.resources():
            content = _REGISTRY.sub("", text(resource))
            # In ARNs, and alone as a principal.
            for account in (*re.findall(r"(?<=:)[0-9]{12}(?=:)", content), *_principals(resource)):
                if account != stack.account:
                    yield stack.finding(
                        "only-own-account", logical_id, f"{account} is not {stack.account}"
                    )


def _principals(resource: dict[str, Any]) -> Iterator[str]:
    """Yield the accounts that a resource's policies name by their numbers alone."""
    for document in documents_of(resource):
        for statement in statements(document):
            principal = statement.get("Principal", {})
            named = principal.get("AWS", []) if isinstance(principal, dict) else []
            yield from (one for one in map(text, listed(named)) if re.fullmatch("[0-9]{12}", one))


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
