"""Evaluate requests with ministack's IAM evaluator, one JSON line each, in .venv-local-aws.

The library evaluates conditions, explicit denials, resource policies and boundaries. It requires
another version of botocore than the project, and therefore a separate environment.
"""

import json
import sys
from typing import Any

from ministack.core.iam_evaluator import (
    EvalContext,
    combine_resource_policy,
    evaluate,
    evaluate_resource_policy,
    parse_policy_document,
)


def decide(request: dict[str, Any]) -> str:
    """Return the decision: Allow, Deny (explicit) or ImplicitDeny."""
    context = EvalContext(
        principal_arn=request["principal"],
        principal_type="AssumedRole",
        principal_account=request["account"],
        action=request["action"],
        resource_arn=request["resource"],
        region=request["region"],
        source_ip="192.0.2.1",
        secure_transport=request["tls"],
        service_context={key.lower(): value for key, value in request["context"].items()},
        principal_keys={"aws:principalarn": request["principal"]},
    )
    if request["service"]:
        result = evaluate_resource_policy(request["resource_policy"], context, request["service"])
        return str(result.decision)
    policies = [parse_policy_document(policy) for policy in request["policies"]]
    limits = [[parse_policy_document(request["boundary"])]] if request["boundary"] else []
    identity = evaluate(context, policies, *limits)
    if request["resource_policy"] is None:
        return str(identity.decision)
    combined = combine_resource_policy(
        identity,
        context,
        request["resource_policy"],
        request["owner"],
        required=request["resource_policy_must_allow"],
        limits=tuple(limits),
    )
    return str(combined.decision)


def main() -> None:
    """Evaluate requests until standard input ends."""
    for line in sys.stdin:
        print(decide(json.loads(line)), flush=True)  # noqa: T201 - the parent process reads the line


if __name__ == "__main__":
    main()
