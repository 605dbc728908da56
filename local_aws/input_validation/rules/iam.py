"""IAM's rules for policies: their grammar and their sizes.

Sources: IAM user guide, "Grammar of the IAM JSON policy language" and "IAM and STS quotas". Sizes
do not include white space.
"""

import re
from typing import Any

from local_aws.errors import ServiceError
from local_aws.input_validation.rules.account import Account, statements

LARGEST_MANAGED_POLICY = 6_144
LARGEST_TRUST_POLICY = 2_048
# Maximum total size of all inline policies of a role, user or group, in characters.
LARGEST_INLINE_POLICIES = {"role": 10_240, "user": 2_048, "group": 5_120}
MOST_POLICIES_OF_A_ROLE = 10
_VENDOR = re.compile(r"[A-Za-z0-9.-]+")


def check_managed_policy(_account: Account, params: dict[str, Any]) -> None:
    """Reject a managed policy that is malformed or too large.

    Raises:
        ServiceError: ``MalformedPolicyDocument`` or ``LimitExceeded``.
    """
    _check_identity_policy(params["PolicyDocument"])
    _check_quota("PolicySize", _size(params["PolicyDocument"]), LARGEST_MANAGED_POLICY)


def check_role_policy(account: Account, params: dict[str, Any]) -> None:
    """Reject a role's inline policy that is malformed, or that makes the total size too large.

    Raises:
        ServiceError: ``MalformedPolicyDocument`` or ``LimitExceeded``.
    """
    _check_inline_policy(account, "role", params)


def check_user_policy(account: Account, params: dict[str, Any]) -> None:
    """Reject a user's inline policy that is malformed, or that makes the total size too large.

    Raises:
        ServiceError: ``MalformedPolicyDocument`` or ``LimitExceeded``.
    """
    _check_inline_policy(account, "user", params)


def check_group_policy(account: Account, params: dict[str, Any]) -> None:
    """Reject a group's inline policy that is malformed, or that makes the total size too large.

    Raises:
        ServiceError: ``MalformedPolicyDocument`` or ``LimitExceeded``.
    """
    _check_inline_policy(account, "group", params)


def check_inline_policies(kind: str, name: str, documents: dict[str, str]) -> None:
    """Reject inline policies of an identity if one is malformed, or their total size is too large.

    Raises:
        ServiceError: ``MalformedPolicyDocument`` or ``LimitExceeded``.
    """
    for document in documents.values():
        _check_identity_policy(document)
    largest = LARGEST_INLINE_POLICIES[kind]
    if sum(map(_size, documents.values())) > largest:
        raise ServiceError(
            "LimitExceeded", f"Maximum policy size of {largest} bytes exceeded for {kind} {name}"
        )


def check_trust_policy(_account: Account, params: dict[str, Any]) -> None:
    """Reject a role's trust policy that is malformed or too large.

    Raises:
        ServiceError: ``MalformedPolicyDocument`` or ``LimitExceeded``.
    """
    document = params.get("AssumeRolePolicyDocument", params.get("PolicyDocument"))
    if document is None:
        return
    for statement in _statements(document):
        _check_actions(statement)
        if "Resource" in statement or "NotResource" in statement:
            raise _malformed("Has prohibited field Resource.")
        if "Principal" not in statement and "NotPrincipal" not in statement:
            raise _malformed("Missing required field Principal")
    _check_quota("ACLSizePerRole", _size(document), LARGEST_TRUST_POLICY)


def check_attachment(account: Account, params: dict[str, Any]) -> None:
    """Reject an attachment if the role would exceed its quota of managed policies.

    Raises:
        ServiceError: ``LimitExceeded``.
    """
    policies = {*account.attached_policies(params["RoleName"]), params["PolicyArn"]}
    check_number_of_policies(len(policies))


def check_number_of_policies(number: int) -> None:
    """Reject a number of managed policies that exceeds the quota of a role.

    Raises:
        ServiceError: ``LimitExceeded``.
    """
    _check_quota("PoliciesPerRole", number, MOST_POLICIES_OF_A_ROLE)


def _check_inline_policy(account: Account, kind: str, params: dict[str, Any]) -> None:
    name = params[f"{kind.title()}Name"]
    documents = {
        **account.inline_policies(kind, name),
        params["PolicyName"]: params["PolicyDocument"],
    }
    check_inline_policies(kind, name, documents)


def _check_identity_policy(document: str) -> None:
    for statement in _statements(document):
        if "Principal" in statement or "NotPrincipal" in statement:
            raise _malformed("Policy document should not specify a principal.")
        _check_actions(statement)
        resources = _strings(statement, "Resource")
        if not resources:
            raise _malformed("Policy statement must contain resources.")
        for resource in resources:
            if resource != "*" and not resource.startswith("arn:"):
                raise _malformed(f'Resource {resource} must be in ARN format or "*".')


def _check_actions(statement: dict[str, Any]) -> None:
    actions = _strings(statement, "Action")
    if not actions:
        raise _malformed("Policy statement must contain actions.")
    for action in actions:
        vendor, colon, name = action.partition(":")
        if action == "*":
            continue
        if not colon:
            raise _malformed(
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
            )
        if ":" in name:
            raise _malformed("Actions/Condition can contain only one colon.")
        if not _VENDOR.fullmatch(vendor):
            raise _malformed(f"Vendor {vendor} is not valid")


def _statements(document: str) -> list[dict[str, Any]]:
    try:
        return statements(document)
    except ValueError:
        raise _malformed("Syntax errors in policy.") from None


def _strings(statement: dict[str, Any], element: str) -> list[str]:
    """Return the values of an element such as Action, or of its opposite, NotAction."""
    value = statement.get(element, statement.get(f"Not{element}", []))
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(text, str) for text in values):
        raise _malformed("Syntax errors in policy.")
    return values


def _size(document: str) -> int:
    """Return the size that IAM compares with its quotas: the characters without white space."""
    return len("".join(document.split()))


def _check_quota(quota: str, size: int, largest: int) -> None:
    if size > largest:
        raise ServiceError("LimitExceeded", f"Cannot exceed quota for {quota}: {largest}")


def _malformed(message: str) -> ServiceError:
    return ServiceError("MalformedPolicyDocument", message)
