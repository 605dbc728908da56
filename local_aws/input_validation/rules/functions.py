"""Lambda's rules for functions: a supported runtime, and a role that Lambda can assume."""

from typing import Any

from local_aws.errors import ServiceError
from local_aws.input_validation.rules.account import Account, trusts

# Runtimes with which functions can be neither created nor updated. Source: Lambda developer guide,
# "Runtimes". Deprecated runtimes with a postponed date are not in the set.
CLOSED_RUNTIMES = frozenset(
    {
        "dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1", "go1.x", "java8",
        "nodejs", "nodejs4.3", "nodejs4.3-edge", "nodejs6.10", "nodejs8.10", "nodejs10.x",
        "nodejs12.x", "nodejs14.x", "provided", "python2.7", "python3.6", "python3.7", "ruby2.5",
        "ruby2.7",
    }
)  # fmt: skip
_SERVICE = "lambda.amazonaws.com"


def check_function(account: Account, params: dict[str, Any]) -> None:
    """Reject a runtime that is no longer supported, and a role that Lambda cannot assume.

    Raises:
        ServiceError: ``InvalidParameterValueException``.
    """
    runtime, role = params.get("Runtime"), params.get("Role")
    if runtime in CLOSED_RUNTIMES:
        raise ServiceError(
            "InvalidParameterValueException",
            f"The runtime parameter of {runtime} is no longer supported for creating or updating"
            " AWS Lambda functions. We recommend you use a supported runtime while creating or"
            " updating functions.",
        )
    if role is not None and not trusts(account.trust_policy(role), _SERVICE):
        raise ServiceError(
            "InvalidParameterValueException",
            "The role defined for the function cannot be assumed by Lambda.",
        )
