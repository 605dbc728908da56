"""Policy documents of templates: statements, principals, actions and resources."""

from collections.abc import Iterator
from typing import Any

from deeplens.assembly.cloud_assembly import Stack
from deeplens.assembly.intrinsics import text

POLICY_TYPES = ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", "AWS::IAM::RolePolicy")


def as_list(value: Any) -> list[Any]:
    """Return a list unchanged, None as an empty list, and any other value in a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def statements(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the statements of a policy document."""
    yield from as_list(document.get("Statement", []))


def allowed(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield each pair of action and resource that a policy document allows, and the statement."""
    for statement in statements(document):
        if statement["Effect"] == "Allow":
            for action in as_list(statement.get("Action", [])):
                for resource in as_list(statement.get("Resource", "")):
                    yield action, text(resource), statement


def identity_policies(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each IAM policy document of a stack, with the logical id of its policy or role."""
    for logical_id, policy in stack.definitions(*POLICY_TYPES):
        yield logical_id, policy["Properties"]["PolicyDocument"]
    for logical_id, role in stack.definitions("AWS::IAM::Role"):
        for inline in role["Properties"].get("Policies", []):
            yield logical_id, inline["PolicyDocument"]


def documents(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each policy document in a stack's resources, with the resource's logical id."""
    for logical_id, definition in stack.definitions():
        for document in documents_in(definition.get("Properties", {})):
            yield logical_id, document


def documents_in(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every policy document in a resource's properties, at any depth."""
    if isinstance(value, dict):
        # A release's custom resource also has a property `Statement`, a string with the signed
        # statement.
        if isinstance(value.get("Statement"), dict | list) and "PolicyName" not in value:
            yield value
            return
        for part in value.values():
            yield from documents_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from documents_in(part)


def is_in_account(arn: str, account: str) -> bool:
    """Return whether an ARN pattern is a reference, or limited to one service and this account."""
    if arn.startswith("${"):
        return True
    parts = arn.split(":", 5)
    return len(parts) > 5 and "*" not in parts[2] and parts[4] == account  # noqa: PLR2004 - an ARN has six parts


def is_everybody(principal: Any) -> bool:
    """Return whether a statement's principal includes all principals (`*`)."""
    if not isinstance(principal, dict):
        return text(principal) == "*"
    return any("*" in [text(name) for name in as_list(value)] for value in principal.values())


def denies_without_tls(statement: dict[str, Any], actions: set[str], resources: set[str]) -> bool:
    """Return whether a statement denies `actions` on `resources` for all requests without TLS."""
    return denies_everybody(statement, actions, resources) and statement.get("Condition") == {
        "Bool": {"aws:SecureTransport": "false"}
    }


def denies_everybody(statement: dict[str, Any], actions: set[str], resources: set[str]) -> bool:
    """Return whether a statement denies `actions` on `resources` to all principals.

    The statement's condition is ignored.
    """
    return (
        statement["Effect"] == "Deny"
        and is_everybody(statement.get("Principal"))
        and actions <= {text(action) for action in as_list(statement.get("Action"))}
        and resources <= {text(resource) for resource in as_list(statement.get("Resource"))}
    )
