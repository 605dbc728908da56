"""Checks of quotas that can be too low in a new account."""

from collections.abc import Iterator
from typing import Any

from deeplens.fleet.doctor.findings import Finding, Outcome, Patient

# Lambda's quota of concurrent executions for new accounts; AWS raises the quota with use, or on
# request.
_NEW_ACCOUNT_CONCURRENCY = 10


def lambda_concurrency(patient: Patient) -> Iterator[Finding]:
    """Check that enough concurrent executions of functions are unreserved."""
    client: Any = patient.session.boto_session.client("lambda")
    limit = client.get_account_settings()["AccountLimit"]
    unreserved = limit.get("UnreservedConcurrentExecutions", limit["ConcurrentExecutions"])
    request = (
        "aws service-quotas request-service-quota-increase --service-code lambda "
        f"--quota-code L-B99A9384 --desired-value 1000 "
        f"--region {patient.session.environment.region}"
    )
    text = f"{unreserved} of {limit['ConcurrentExecutions']} concurrent executions are unreserved"
    if unreserved < 1:
        yield Finding("Lambda concurrency", Outcome.BLOCKED, text, request)
    elif unreserved <= _NEW_ACCOUNT_CONCURRENCY:
        text += "; a deploy works, and messages of a larger fleet would be throttled"
        yield Finding("Lambda concurrency", Outcome.WARNING, text, request)
    else:
        yield Finding("Lambda concurrency", Outcome.OK, text)


def sagemaker_instances(patient: Patient) -> Iterator[Finding]:
    """Check the quota of each instance type that the Hosting and Training stacks use."""
    needed = dict(_needed_instances(patient))
    if not needed:
        text = "not required: neither hosting nor training uses instances"
        yield Finding("SageMaker quotas", Outcome.OK, text)
        return
    client: Any = patient.session.boto_session.client("service-quotas")
    pages = client.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
    quotas = {quota["QuotaName"]: quota for page in pages for quota in page["Quotas"]}
    for name, number in needed.items():
        quota = quotas.get(name)
        value = quota["Value"] if quota else 0
        code = quota["QuotaCode"] if quota else "CODE"
        if value >= number:
            yield Finding(f"quota {name}", Outcome.OK, f"{value:g}, {number} needed")
            continue
        yield Finding(
            f"quota {name}",
            Outcome.BLOCKED,
            f"{value:g}, {number} needed",
            "aws service-quotas request-service-quota-increase --service-code sagemaker "
            f"--quota-code {code} --desired-value {number} "
            f"--region {patient.session.environment.region}",
        )


def _needed_instances(patient: Patient) -> Iterator[tuple[str, int]]:
    """Yield the name of each quota and the number of instances that the environment uses."""
    hosting, training = patient.session.environment.hosting, patient.session.environment.training
    if hosting.enabled and hosting.mode == "instance":
        numbers: dict[str, int] = {}
        for variant in hosting.variants:
            name = f"{variant.instance_type} for endpoint usage"
            numbers[name] = numbers.get(name, 0) + variant.instances
        yield from numbers.items()
    if training.enabled:
        spot = "spot " if training.spot else ""
        yield f"{training.instance_type} for {spot}training job usage", 1
        yield f"{training.verification_instance_type} for processing job usage", 1
