"""Read the policies of one environment: allowed and denied actions by holder.

The policies are all policy documents of a template: identity policies by role, resource policies by
resource, trust policies, Lambda permissions and IoT policies. References are converted to text (see
`deeplens.assembly.intrinsics`), so the same permission has the same text in every stack.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from deeplens.assembly import Environment, Resource, Stack, as_list, text
from deeplens.assembly.intrinsics import Value
from deeplens.assembly.policy_documents import documents_in, statements

Effect = Literal["Allow", "Deny"]

Condition = tuple[str, str, frozenset[str]]
"""Operator, key, values."""

_SERVICES = {
    "credentials.iot.amazonaws.com": "The cameras' role",
    "sagemaker.amazonaws.com": "SageMaker's role",
    "codepipeline.amazonaws.com": "The pipeline's role",
    "codebuild.amazonaws.com": "The build's role",
    "iot.amazonaws.com": "The role of AWS IoT's rules",
}


@dataclass(frozen=True)
class Grant:
    """One element of a statement: one action on one resource for one principal.

    Attributes:
        action: a pattern with `*` and `?`, or "every action but …".
        resource: a pattern, "everything but …", or "itself" in a trust policy.
        principal: for example `Service: iot.amazonaws.com` or `*`; empty in an identity policy.
        conditions: the conditions, which must all be met.
    """

    effect: Effect
    action: str
    resource: str
    principal: str = ""
    conditions: frozenset[Condition] = frozenset()


@dataclass(frozen=True)
class Holder:
    """The identity or resource that has a policy.

    Attributes:
        key: the identifier, equal on both sides of a comparison.
        called: the name in sentences.
        kind: `identity` if the holder itself has the permissions; `resource` or `trust` if the
            principals in the policy have them.
    """

    key: str
    called: str
    kind: Literal["identity", "resource", "trust"]


@dataclass(frozen=True)
class Holding:
    """The content of all policies of one holder.

    Attributes:
        grants: allowed and denied actions.
        managed: ARNs of managed policies outside of the app.
        boundary: the permissions boundary, or an empty string.
    """

    holder: Holder
    grants: frozenset[Grant] = frozenset()
    managed: frozenset[str] = frozenset()
    boundary: str = ""


def read_policies(environment: Environment) -> dict[str, Holding]:
    """Return the content of all policies of the environment, by `Holder.key`."""
    reader = _Reader(environment)
    for stack, resource in environment.every_resource():
        reader.read(stack, resource)
    return reader.holdings()


class _Reader:
    """A collector of grants by holder, over all stacks of one environment."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._roles = _roles(environment)
        self._attached = _attachments(environment)
        self._holders: dict[str, Holder] = {}
        self._grants: dict[str, set[Grant]] = {}
        self._managed: dict[str, set[str]] = {}
        self._boundaries: dict[str, str] = {}

    def holdings(self) -> dict[str, Holding]:
        """Return the content of the policies that were read, by `Holder.key`."""
        return {
            key: Holding(
                holder,
                frozenset(self._grants.get(key, ())),
                frozenset(self._managed.get(key, ())),
                self._boundaries.get(key, ""),
            )
            for key, holder in self._holders.items()
        }

    def read(self, stack: Stack, resource: Resource) -> None:
        """Add the policies of one resource."""
        own = f"{stack.title}/{resource.name}"
        properties = self._environment.resolve(stack, dict(resource.properties))
        if resource.type in ("AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group"):
            self._identity(own, properties)
        elif resource.type in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            holders = _named_identities(properties) + self._attached.get(own, [])
            for name in holders:
                self._add(self._holder_of(name), read_grants(properties.get("PolicyDocument")))
            if not holders:
                # The policy is a permissions boundary, or is attached outside of the app.
                self._add(
                    Holder(own, f"An identity with the policy {own}", "identity"),
                    read_grants(properties.get("PolicyDocument")),
                )
        elif resource.type == "AWS::Lambda::Permission":
            self._add(
                Holder(own, f"The function {properties.get('FunctionName')}", "resource"),
                [_lambda_permission(properties)],
            )
        else:
            kind: Literal["identity", "resource"] = "resource"
            called = f"The policy of {own.removesuffix('/Policy')}"
            if resource.type == "AWS::IoT::Policy":
                kind, called = "identity", f"A device's certificate ({own})"
            for document in documents_in(properties):
                self._add(Holder(own, called, kind), read_grants(document))

    def _identity(self, own: str, properties: Mapping[str, Value]) -> None:
        holder = self._holder_of(own)
        self._add(holder, [])
        for policy in properties.get("Policies", []):
            self._add(holder, read_grants(policy.get("PolicyDocument")))
        arns = [str(arn) for arn in properties.get("ManagedPolicyArns", [])]
        self._managed[holder.key] = {arn for arn in arns if arn.startswith("arn:")}
        self._boundaries[holder.key] = text(properties.get("PermissionsBoundary", ""))
        trust = Holder(f"{own} (trust)", holder.called, "trust")
        self._add(trust, read_grants(properties.get("AssumeRolePolicyDocument")))

    def _holder_of(self, name: str) -> Holder:
        return Holder(name, self._roles.get(name, f"The identity {name}"), "identity")

    def _add(self, holder: Holder, grants: Iterable[Grant]) -> None:
        self._holders[holder.key] = holder
        self._grants.setdefault(holder.key, set()).update(grants)


def read_grants(document: Value) -> Iterator[Grant]:
    """Yield the grants of a policy document whose references are resolved."""
    for statement in statements(document) if isinstance(document, dict) else ():
        conditions = frozenset(
            (operator, key, frozenset(text(value) for value in as_list(values)))
            for operator, tests in statement.get("Condition", {}).items()
            for key, values in tests.items()
        )
        for action in _patterns(statement, "Action", "every action but"):
            for resource in _patterns(statement, "Resource", "everything but"):
                for principal in _principals(statement):
                    yield Grant(statement["Effect"], action, resource, principal, conditions)


def _roles(environment: Environment) -> dict[str, str]:
    """Return the name that sentences use for each role, by `Stack/Name`."""
    users: dict[str, list[str]] = {}
    for stack, resource in environment.every_resource():
        if resource.type == "AWS::Lambda::Function":
            role = str(environment.resolve(stack, resource.properties.get("Role", "")))
            users.setdefault(role, []).append(f"{stack.title}/{resource.name}")
    called = {}
    for stack, resource in environment.every_resource():
        if resource.type != "AWS::IAM::Role":
            continue
        name = f"{stack.title}/{resource.name}"
        trusted = {
            grant.principal.removeprefix("Service: ")
            for grant in read_grants(
                environment.resolve(stack, resource.properties.get("AssumeRolePolicyDocument"))
            )
        }
        roles = [name for service, name in sorted(_SERVICES.items()) if service in trusted]
        functions = users.get(f"${{{name}.Arn}}", [])
        if functions:
            called[name] = f"The role of function {' and '.join(functions)}"
        elif roles:
            called[name] = f"{roles[0]} ({name})"
        else:
            called[name] = f"The role {name}"
    return called


def _attachments(environment: Environment) -> dict[str, list[str]]:
    """Return the identities that list each managed policy of the app, by the policy's name."""
    attached: dict[str, list[str]] = {}
    for stack, resource in environment.every_resource():
        for arn in as_list(
            environment.resolve(stack, resource.properties.get("ManagedPolicyArns"))
        ):
            if resource.type.startswith("AWS::IAM::") and str(arn).startswith("${"):
                policy = str(arn)[2:-1].removesuffix(".PolicyArn")
                attached.setdefault(policy, []).append(f"{stack.title}/{resource.name}")
    return attached


def _named_identities(properties: Mapping[str, Value]) -> list[str]:
    return [
        str(name).removeprefix("${").removesuffix("}")
        for kind in ("Roles", "Users", "Groups")
        for name in as_list(properties.get(kind))
    ]


def _patterns(statement: Mapping[str, Value], key: str, but: str) -> list[str]:
    if f"Not{key}" in statement:
        excluded = sorted(text(value) for value in as_list(statement[f"Not{key}"]))
        return [f"{but} {', '.join(excluded)}"]
    # A trust policy contains no resource, because it belongs to a role.
    return [text(value) for value in as_list(statement.get(key, "itself"))]


def _principals(statement: Mapping[str, Value]) -> list[str]:
    if "NotPrincipal" in statement:
        return [f"everyone but {text(statement['NotPrincipal'])}"]
    principal = statement.get("Principal")
    if principal is None:
        return [""]
    if not isinstance(principal, dict):
        return [text(principal)]
    return [
        "*" if (kind, name) == ("AWS", "*") else f"{kind}: {text(name)}"
        for kind, names in principal.items()
        for name in as_list(names)
    ]


def _lambda_permission(properties: Mapping[str, Value]) -> Grant:
    conditions = {
        (operator, key, frozenset({text(properties[name])}))
        for name, operator, key in (
            ("SourceArn", "ArnLike", "aws:SourceArn"),
            ("SourceAccount", "StringEquals", "aws:SourceAccount"),
            ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
            ("FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
        )
        if name in properties
    }
    principal = str(properties.get("Principal"))
    service = principal.endswith(".amazonaws.com")
    return Grant(
        "Allow",
        str(properties.get("Action")),
        str(properties.get("FunctionName")),
        principal if principal == "*" else f"{'Service' if service else 'AWS'}: {principal}",
        frozenset(conditions),
    )
