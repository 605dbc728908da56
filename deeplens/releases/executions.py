"""Executions of the delivery pipeline, with their approvals and results.

On AWS, CodePipeline stores executions for a year, with the person who approved. On the emulator,
the audit log `.local/deliver/executions.jsonl` contains the executions.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deeplens.config import load_delivery, load_environments
from deeplens.releases.audit_log import AuditLog
from deeplens.releases.aws import AwsAccounts, aws_errors
from model_tools.errors import RegistryError
from shared.printable import printable

STACK = "Delivery"
RECORD = Path(".local/deliver/executions.jsonl")
_MOST_EXECUTIONS = 50


@dataclass(frozen=True)
class Approval:
    """An answer to an approval action; `at` is ISO 8601, UTC.

    Attributes:
        text: the request: the environment, the model and its SHA-256.
        note: on AWS, the comment of the answer; on the emulator, the SHA-256 of the review page; or
            an empty string.
    """

    stage: str
    answer: str
    who: str
    at: str
    text: str
    note: str


@dataclass(frozen=True)
class Execution:
    """An execution of the pipeline; on AWS, `ended_at` is the time of its last update."""

    ended_at: str
    outcome: str
    approvals: tuple[Approval, ...]


@dataclass(frozen=True)
class _Account:
    """The account and the Region of the pipeline, and the name in the AWS profile."""

    name: str
    account: str
    region: str


def execution_log(file: Path) -> AuditLog:
    """Return the audit log of the executions on the emulator."""
    repair = f"keep the file for an investigation, and start a new log: `mv {file} {file}.broken`"
    return AuditLog(file, "an execution", repair)


def read_record(file: Path) -> list[Execution]:
    """Return the executions on the emulator, oldest first, and check their chain.

    Raises:
        RegistryError: the log is absent, or a line was changed, added or removed.
    """
    if not file.is_file():
        raise RegistryError(
            f"{file}: no pipeline ran here yet; `deeplens local deliver` runs the pipeline"
        )
    executions: list[Execution] = []
    for number, entry in enumerate(execution_log(file).read(), 1):
        try:
            executions.append(_recorded(entry))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RegistryError(f"{file}: line {number}: not an execution: {error}") from None
    return executions


def ask_pipeline(cloud: AwsAccounts, delivery: Path, environments: Path) -> list[Execution]:
    """Return the last executions in CodePipeline (at most 50), oldest first.

    Args:
        cloud: the accounts; the profile `deeplens-delivery` is used if it exists.
        delivery: the delivery file.
        environments: the folder of environment files.

    Raises:
        ConfigError: the delivery file, or an environment file, is not valid.
        RegistryError: the delivery file, the pipeline or its stack does not exist, or AWS rejects
            the call.
    """
    place = _account(delivery, environments)
    with aws_errors(place.name):
        stacks = cloud.client(place, "cloudformation")
        resources = stacks.describe_stack_resources(StackName=STACK)["StackResources"]
        pipeline = next(
            (
                resource["PhysicalResourceId"]
                for resource in resources
                if resource["ResourceType"] == "AWS::CodePipeline::Pipeline"
            ),
            None,
        )
        if pipeline is None:
            raise RegistryError(f"the stack {STACK} has no pipeline; run `cdk deploy {STACK}`")
        return executions_of(cloud.client(place, "codepipeline"), pipeline)


def executions_of(codepipeline: Any, pipeline: str) -> list[Execution]:
    """Return the last executions of a pipeline (at most 50), oldest first."""
    summaries = codepipeline.list_pipeline_executions(
        pipelineName=pipeline, maxResults=_MOST_EXECUTIONS
    )["pipelineExecutionSummaries"]
    executions = []
    for summary in reversed(summaries):
        actions = codepipeline.list_action_executions(
            pipelineName=pipeline,
            filter={"pipelineExecutionId": summary["pipelineExecutionId"]},
        )["actionExecutionDetails"]
        reason = printable(summary.get("statusSummary", ""))
        executions.append(
            Execution(
                ended_at=_stamp(summary["lastUpdateTime"]),
                outcome=f"{summary['status']}{f': {reason}' if reason else ''}",
                approvals=tuple(_answered(actions)),
            )
        )
    return executions


def _account(delivery: Path, environments: Path) -> _Account:
    loaded = load_delivery(delivery, load_environments(environments)) if delivery.exists() else None
    if loaded is None:
        raise RegistryError(
            f"{delivery}: no such file, so there is no pipeline; with --local, this command reads "
            "the executions of `deeplens local deliver`"
        )
    return _Account("delivery", loaded[0].account, loaded[0].region)


def _recorded(entry: dict[str, Any]) -> Execution:
    return Execution(
        ended_at=entry["ended_at"],
        outcome=printable(entry["outcome"], lines=True),
        approvals=tuple(
            Approval(
                stage=approval["stage"],
                answer="Approved",
                who=approval["who"],
                at=approval["at"],
                text=approval["text"],
                note=f"review page {approval['page_digest']}" if approval["page_digest"] else "",
            )
            for approval in entry["approvals"]
        ),
    )


def _answered(actions: list[dict[str, Any]]) -> Iterator[Approval]:
    """Yield the result of each approval action that was answered or has expired, oldest first."""
    for action in reversed(actions):
        request = action.get("input", {})
        if request.get("actionTypeId", {}).get("category") != "Approval":
            continue
        if action["status"] not in {"Succeeded", "Failed"}:
            continue
        result = action.get("output", {}).get("executionResult", {})
        yield Approval(
            stage=action["stageName"],
            answer="Approved" if action["status"] == "Succeeded" else "Rejected",
            who=action.get("updatedBy", "nobody: it expired"),
            at=_stamp(action["lastUpdateTime"]),
            text=request.get("configuration", {}).get("CustomData", ""),
            note=result.get("externalExecutionSummary", ""),
        )


def _stamp(when: Any) -> str:
    return str(when.strftime("%Y-%m-%dT%H:%M:%SZ"))
