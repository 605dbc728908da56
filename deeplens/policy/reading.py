"""Templates as rules look at them."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from deeplens.assembly import SynthesizedStack


@dataclass(frozen=True)
class Finding:
    """A rule that a resource breaks, and what to do."""

    rule: str
    stack: str
    resource: str
    advice: str

    def __str__(self) -> str:
        """One line for a terminal."""
        return f"{self.rule}: {self.stack}/{self.resource}: {self.advice}"


@dataclass(frozen=True)
class Stack:
    """One synthesized stack."""

    name: str
    account: str
    template: dict[str, Any]
    termination_protection: bool = False

    def resources(self, *types: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield logical ids and resources of some types, or all."""
        for logical_id, resource in self.template.get("Resources", {}).items():
            if not types or resource["Type"] in types:
                yield logical_id, resource

    def finding(self, rule: str, resource: str, advice: str) -> Finding:
        """Return a finding in this stack."""
        return Finding(rule, self.name, resource, advice)


Rule = Callable[[list[Stack]], Iterator[Finding]]

POLICY_TYPES = ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", "AWS::IAM::RolePolicy")


def by_environment(stacks: Iterable[SynthesizedStack]) -> dict[str, list[Stack]]:
    """Return the stacks of a cloud assembly by environment."""
    environments: dict[str, list[Stack]] = {}
    for one in stacks:
        environments.setdefault(one.environment, []).append(
            Stack(one.name, one.account, one.template, one.termination_protection)
        )
    return environments


def text(value: Any) -> str:
    """Return a value with its intrinsic functions as `${…}`: what a reviewer would read."""
    if isinstance(value, dict) and len(value) == 1:
        ((function, argument),) = value.items()
        if function == "Fn::Join":
            separator, parts = argument
            return str(separator).join(text(part) for part in parts)
        if function == "Ref":
            return f"${{{argument}}}"
        if function == "Fn::GetAtt":
            return f"${{{'.'.join(argument)}}}"
        if function in {"Fn::ImportValue", "Fn::Sub"}:
            return f"${{{argument}}}"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def listed(value: Any) -> list[Any]:
    """Return a value that may be one or a list as a list."""
    return value if isinstance(value, list) else [value]


def statements(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the statements of a policy document."""
    yield from listed(document.get("Statement", []))


def allowed(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield every action and resource that a policy document allows, and the statement."""
    for statement in statements(document):
        if statement["Effect"] == "Allow":
            for action in listed(statement.get("Action", [])):
                for resource in listed(statement.get("Resource", "")):
                    yield action, text(resource), statement


def identity_policies(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the policy documents of roles, managed and inline, by logical id."""
    for logical_id, resource in stack.resources(*POLICY_TYPES):
        yield logical_id, resource["Properties"]["PolicyDocument"]
    for logical_id, resource in stack.resources("AWS::IAM::Role"):
        for inline in resource["Properties"].get("Policies", []):
            yield logical_id, inline["PolicyDocument"]


def documents(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every policy document of a stack: of identities, of resources, and of trust."""
    for logical_id, resource in stack.resources():
        for document in documents_of(resource):
            yield logical_id, document


def documents_of(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every policy document of a resource."""
    properties = resource.get("Properties", {})
    for name in ("PolicyDocument", "AssumeRolePolicyDocument", "KeyPolicy"):
        if isinstance(properties.get(name), dict):
            yield properties[name]
    for inline in properties.get("Policies", []) if "IAM" in resource["Type"] else ():
        yield inline["PolicyDocument"]


def names_own(arn: str, account: str) -> bool:
    """Return whether an ARN, perhaps with wildcards, names one service and this account."""
    if arn.startswith("${"):
        return True
    parts = arn.split(":", 5)
    return len(parts) > 5 and "*" not in parts[2] and parts[4] == account  # noqa: PLR2004 - an ARN


def is_everybody(principal: Any) -> bool:
    """Return whether a statement's principal is anybody."""
    if not isinstance(principal, dict):
        return text(principal) == "*"
    return any("*" in [text(one) for one in listed(value)] for value in principal.values())


def denies_without_tls(statement: dict[str, Any], actions: set[str], resources: set[str]) -> bool:
    """Return whether a statement denies `actions` on `resources` in all requests without TLS."""
    return denies_everybody(statement, actions, resources) and statement.get("Condition") == {
        "Bool": {"aws:SecureTransport": "false"}
    }


def denies_everybody(statement: dict[str, Any], actions: set[str], resources: set[str]) -> bool:
    """Return whether a statement, without its condition, denies `actions` to everybody."""
    return (
        statement["Effect"] == "Deny"
        and is_everybody(statement.get("Principal"))
        and actions <= {text(one) for one in listed(statement.get("Action", []))}
        and resources <= {text(one) for one in listed(statement.get("Resource", []))}
    )


def model_bucket(stacks: Iterable[Stack]) -> str | None:
    """Return the name of the environment's deeplens bucket."""
    for stack in stacks:
        for _, resource in stack.resources("AWS::S3::Bucket"):
            name = resource.get("Properties", {}).get("BucketName")
            if name:
                return str(name)
    return None
