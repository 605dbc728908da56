"""The order of the checks, and the handling of AWS errors during a check."""

from collections.abc import Callable, Iterator

from botocore.exceptions import BotoCoreError, ClientError

from deeplens.fleet.doctor import (
    account,
    device,
    names,
    quotas,
    releases,
    simulation,
    stacks,
)
from deeplens.fleet.doctor.findings import Finding, Outcome, Patient

Check = Callable[[Patient], Iterator[Finding]]

_CHECKS: tuple[tuple[str, Check], ...] = (
    ("identity", account.identity),
    ("region", account.region),
    ("bootstrap", account.bootstrap),
    ("deploy role", account.deploy_role),
    ("CloudFormation role", account.execution_role),
    ("CloudFormation's rights", simulation.rights),
    ("boundary", account.boundary),
    ("stacks", stacks.states),
    ("names", names.in_use),
    ("public components", releases.public_components),
    ("release", releases.pinned_release),
    ("code signing", releases.code_signing),
    ("Lambda concurrency", quotas.lambda_concurrency),
    ("SageMaker quotas", quotas.sagemaker_instances),
)
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized"}


def examine(patient: Patient, thing: str | None = None) -> Iterator[Finding]:
    """Yield the findings of all checks; include the checks of a device if `thing` is given."""
    for title, check in _CHECKS:
        yield from _carry_out(title, lambda check=check: check(patient))  # type: ignore[misc]
    if thing is not None:
        for title, ask in device.CHECKS:
            yield from _carry_out(title, lambda ask=ask: ask(patient, thing))  # type: ignore[misc]


def _carry_out(title: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield a check's findings; after an AWS error, the last finding is `NOT_CHECKED`."""
    try:
        yield from check()
    except ClientError as error:
        problem = error.response["Error"]
        code, message = problem.get("Code", "error"), problem.get("Message", "")
        text = f"{error.operation_name}: {code}: {message}"
        repair = "attach policies/people/fleet.json to this identity" if code in _DENIED else ""
        yield Finding(title, Outcome.NOT_CHECKED, text, repair)
    except BotoCoreError as error:
        yield Finding(title, Outcome.NOT_CHECKED, f"AWS did not respond: {error}")
