"""Answers requests with ministack's IAM evaluator, one JSON line each, in .venv-local-aws.

A library that knows conditions, explicit denials, policies of resources and boundaries; it cannot
live in the project's own environment, because it pins another botocore.
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


def decide(asked: dict[str, Any]) -> str:
    """Return Allow, Deny (explicit) or ImplicitDeny."""
    context = EvalContext(
        principal_arn=asked["principal"],
        principal_type="AssumedRole",
        principal_account=asked["account"],
        action=asked["action"],
        resource_arn=asked["resource"],
        region=asked["region"],
        source_ip="192.0.2.1",
        secure_transport=asked["tls"],
        service_context={key.lower(): value for key, value in asked["context"].items()},
        principal_keys={"aws:principalarn": asked["principal"]},
    )
    if asked["service"]:
        found = evaluate_resource_policy(asked["resource_policy"], context, asked["service"])
        return str(found.decision)
    policies = [parse_policy_document(one) for one in asked["policies"]]
    limits = [[parse_policy_document(asked["boundary"])]] if asked["boundary"] else []
    identity = evaluate(context, policies, *limits)
    if asked["resource_policy"] is None:
        return str(identity.decision)
    combined = combine_resource_policy(
        identity,
        context,
        asked["resource_policy"],
        asked["owner"],
        required=asked["resource_policy_must_allow"],
        limits=tuple(limits),
    )
    return str(combined.decision)


def main() -> None:
    """Answer until standard input ends."""
    for line in sys.stdin:
        print(decide(json.loads(line)), flush=True)  # noqa: T201 - the wire of this helper


if __name__ == "__main__":
    main()
