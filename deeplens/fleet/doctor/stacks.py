"""Check of each stack's status, which allows or blocks the next deploy.

A finding contains the next command, if the stack needs one.

Sources: AWS CloudFormation User Guide, "Stack status codes"; AWS CDK CLI, which deletes a stack
whose creation failed before it creates the stack again.
"""

from collections.abc import Iterator

from deeplens.fleet.doctor.findings import Finding, Outcome, Patient
from deeplens.fleet.stacks import DeployedStack, find_stack, stack_names

_HEALTHY = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE", "REVIEW_IN_PROGRESS"}
_ROLLED_BACK = {"UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"}
# The next command for each failed status; `{}` is replaced with the stack's name.
_WAYS_OUT = {
    "CREATE_FAILED": "aws cloudformation rollback-stack --stack-name {}",
    "UPDATE_FAILED": "aws cloudformation rollback-stack --stack-name {}",
    "UPDATE_ROLLBACK_FAILED": "aws cloudformation continue-update-rollback --stack-name {}",
    "ROLLBACK_FAILED": "aws cloudformation delete-stack --stack-name {}",
    "DELETE_FAILED": "aws cloudformation delete-stack --stack-name {}",
    "IMPORT_ROLLBACK_FAILED": "aws cloudformation describe-stack-events --stack-name {}",
}
_FAILED_CREATE = "ROLLBACK_COMPLETE"


def states(patient: Patient) -> Iterator[Finding]:
    """Yield a finding for each existing stack of the environment, or one finding if none exists."""
    existing = [
        stack
        for name in stack_names(patient.session.environment)
        if (stack := find_stack(patient.session, name))
    ]
    if not existing:
        text = f"no stack of {patient.name} exists yet"
        yield Finding("stacks", Outcome.OK, text)
    for stack in existing:
        yield judge(stack)


def judge(stack: DeployedStack) -> Finding:
    """Return the finding for a stack's status, which allows or blocks the next deploy."""
    check, status = f"stack {stack.name}", stack.status
    if status in _HEALTHY:
        return Finding(check, Outcome.OK, status)
    if status in _ROLLED_BACK:
        return Finding(
            check,
            Outcome.WARNING,
            f"{status}: the last update failed, and the stack accepts another one",
            f"aws cloudformation describe-stack-events --stack-name {stack.name}",
        )
    if status == _FAILED_CREATE and stack.protected:
        return Finding(
            check,
            Outcome.BLOCKED,
            f"{status}: the first deploy failed; `cdk deploy` cannot delete the protected stack",
            "aws cloudformation update-termination-protection --no-enable-termination-protection "
            f"--stack-name {stack.name}",
        )
    if status == _FAILED_CREATE:
        text = f"{status}: the first deploy failed; the next one deletes and creates the stack"
        return Finding(check, Outcome.WARNING, text)
    if status.endswith("_IN_PROGRESS"):
        return Finding(
            check,
            Outcome.BLOCKED,
            f"{status}: an operation is running; wait until it has ended",
            f"aws cloudformation describe-stacks --stack-name {stack.name}",
        )
    return Finding(
        check,
        Outcome.BLOCKED,
        f"{status}: the stack accepts no deploy; its events have the reason",
        _WAYS_OUT[status].format(stack.name),
    )
