"""What the pipeline did: who approved what, when, and how each execution ended.

On AWS, CodePipeline keeps it for a year and names who answered; the emulator keeps a record of
its own, `.local/deliver/executions.jsonl`, whose lines are chained by hash.
"""

import hashlib
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deeplens.releases.cloud import Cloud, asking
from deeplens.releases.history import lines_of
from model_tools.errors import RegistryError
from shared.printable import printable

STACK = "Delivery"
RECORD = Path(".local/deliver/executions.jsonl")
_BEGINNING = "0" * 64
_MOST_EXECUTIONS = 50


@dataclass(frozen=True)
class Approval:
    """One answer to an approval action; `at` is ISO 8601, UTC.

    Attributes:
        text: what was asked: the environment, the model and its SHA-256.
        note: the answer's own text on AWS; the review page's SHA-256 of a local one.
    """

    stage: str
    answer: str
    who: str
    at: str
    text: str
    note: str


@dataclass(frozen=True)
class Execution:
    """One run of the pipeline, and how it ended."""

    ended_at: str
    outcome: str
    approvals: tuple[Approval, ...]


@dataclass(frozen=True)
class _Place:
    """Where the pipeline is: `delivery.toml` says it."""

    name: str
    account: str
    region: str


def read_record(file: Path) -> list[Execution]:
    """Read what the emulator recorded, oldest first, and check its chain.

    Raises:
        RegistryError: there is no record, or a line was changed, added or removed.
    """
    if not file.is_file():
        raise RegistryError(
            f"{file}: no pipeline ran here yet; `deeplens local deliver` runs the pipeline"
        )
    found: list[Execution] = []
    previous = _BEGINNING
    for number, line in enumerate(lines_of(file), 1):
        try:
            one = json.loads(line)
            content = {name: value for name, value in one.items() if name != "hash"}
            whole = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
            if (one["hash"], one["previous"]) != (whole, previous):
                raise RegistryError(
                    f"{file}: line {number}: was changed, or a line before it was added or removed"
                )
            previous = one["hash"]
            found.append(_recorded(one))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise RegistryError(f"{file}: line {number}: not an execution: {error}") from None
    return found


def ask_pipeline(cloud: Cloud, delivery: Path) -> list[Execution]:
    """Ask CodePipeline for the last executions, oldest first.

    Args:
        cloud: whom to ask; the profile `deeplens-delivery` is used if there is one.
        delivery: the file that says where the pipeline is.

    Raises:
        RegistryError: there is no such file, no such stack, or AWS refuses.
    """
    place = _place(delivery)
    with asking(place.name):
        stacks = cloud.client(place, "cloudformation")
        resources = stacks.describe_stack_resources(StackName=STACK)["StackResources"]
        pipeline = next(
            (
                one["PhysicalResourceId"]
                for one in resources
                if one["ResourceType"] == "AWS::CodePipeline::Pipeline"
            ),
            None,
        )
        if pipeline is None:
            raise RegistryError(f"the stack {STACK} has no pipeline; `cdk deploy {STACK}` makes it")
        return executions_of(cloud.client(place, "codepipeline"), pipeline)


def executions_of(codepipeline: Any, pipeline: str) -> list[Execution]:
    """Return the last executions of a pipeline, oldest first."""
    summaries = codepipeline.list_pipeline_executions(
        pipelineName=pipeline, maxResults=_MOST_EXECUTIONS
    )["pipelineExecutionSummaries"]
    found = []
    for summary in reversed(summaries):
        actions = codepipeline.list_action_executions(
            pipelineName=pipeline,
            filter={"pipelineExecutionId": summary["pipelineExecutionId"]},
        )["actionExecutionDetails"]
        reason = printable(summary.get("statusSummary", ""))
        found.append(
            Execution(
                ended_at=_stamp(summary["lastUpdateTime"]),
                outcome=f"{summary['status']}{f': {reason}' if reason else ''}",
                approvals=tuple(_answered(actions)),
            )
        )
    return found


def _place(delivery: Path) -> _Place:
    try:
        content = tomllib.loads(delivery.read_text(encoding="utf-8-sig"))
        return _Place("delivery", content["account"], content["region"])
    except FileNotFoundError:
        raise RegistryError(
            f"{delivery}: there is no pipeline; --local reads the record of "
            "`deeplens local deliver`"
        ) from None
    except (OSError, ValueError, KeyError, RecursionError) as error:
        raise RegistryError(f"{delivery}: not a whole delivery file: {error}") from None


def _recorded(one: dict[str, Any]) -> Execution:
    return Execution(
        ended_at=one["ended_at"],
        outcome=printable(one["outcome"], lines=True),
        approvals=tuple(
            Approval(
                stage=given["stage"],
                answer="Approved",
                who=given["who"],
                at=given["at"],
                text=given["text"],
                note=f"review page {given['page_digest']}" if given["page_digest"] else "",
            )
            for given in one["approvals"]
        ),
    )


def _answered(actions: list[dict[str, Any]]) -> Iterator[Approval]:
    """Say of each approval action that somebody answered who it was."""
    for action in reversed(actions):
        asked = action.get("input", {})
        if asked.get("actionTypeId", {}).get("category") != "Approval":
            continue
        if action["status"] not in {"Succeeded", "Failed"}:
            continue
        result = action.get("output", {}).get("executionResult", {})
        yield Approval(
            stage=action["stageName"],
            answer="Approved" if action["status"] == "Succeeded" else "Rejected",
            who=action.get("updatedBy", "nobody: it expired"),
            at=_stamp(action["lastUpdateTime"]),
            text=asked.get("configuration", {}).get("CustomData", ""),
            note=result.get("externalExecutionSummary", ""),
        )


def _stamp(when: Any) -> str:
    return str(when.strftime("%Y-%m-%dT%H:%M:%SZ"))
