"""An execution of a pipeline, which runs the actions in order until one of them fails."""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from deeplens.assembly import environments_id
from deeplens.local.pipeline import PipelineError, approval, assets, change_sets
from deeplens.local.pipeline.approval import ApprovalRequest
from deeplens.local.pipeline.definition import Action, Pipeline, Stage, fingerprint
from deeplens.releases.audit_log import AuditLog

_SHOWN_LINES = 12
# Messages of make, such as "make: Nothing to be done for 'setup'."
_MAKE_MESSAGE = re.compile(r"make(\[\d+\])?: ")
# The prefix of an error in every command of this project.
_ERROR = "Error: "
# Environment variables that build commands do not receive, because a make in a build command must
# be independent of the make that started this process.
_OUTER_MAKE_VARIABLES = frozenset({"MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS"})
# The page that `deeplens review` writes for the person who approves.
REVIEW_PAGE = Path("build") / "review" / "review.html"


class ApprovalMissingError(PipelineError):
    """Raised if the execution waits for the approval of a person."""


@dataclass(frozen=True)
class Approval:
    """An approval, with the person and the time (ISO 8601, UTC)."""

    stage: str
    who: str
    at: str
    text: str
    page_digest: str
    code: str


@dataclass(frozen=True)
class CompletedAction:
    """A completed action, for the audit log."""

    stage: str
    action: str
    what: str
    seconds: float


@dataclass
class Execution:
    """An execution of a pipeline on the emulator.

    Attributes:
        root: the checkout, which is the source and the working directory of build commands.
        endpoint_url: the URL of the emulator.
        secret_access_key: the secret access key of the pipeline's account.
        approve: requests an approval; returns the person and the approved request, or None.
        report: prints a line.
        run_synth: true to run the commands of the synthesis; false to use the existing assembly.
        done: the completed actions.
        approvals: the approvals of this execution.
        waits: the request that nobody has answered; None without such a request.
    """

    pipeline: Pipeline
    root: Path
    endpoint_url: str
    secret_access_key: str = field(repr=False)
    approve: Callable[[ApprovalRequest], tuple[str, ApprovalRequest] | None]
    report: Callable[[str], None]
    run_synth: bool = False
    done: list[CompletedAction] = field(default_factory=list)
    approvals: list[Approval] = field(default_factory=list)
    waits: ApprovalRequest | None = None

    def run(self) -> None:
        """Run the stages in order.

        Raises:
            ApprovalMissingError: an approval is missing.
            PipelineError: an action failed, or the assembly changed between stages.
        """
        initial = fingerprint(self.pipeline.assembly)
        for stage in self.pipeline.stages:
            self._check_unchanged(stage, initial)
            for action in stage.actions:
                self._run_action(stage, action)

    def record(self, log: AuditLog, outcome: str) -> None:
        """Add the actions, the approvals and the result of this execution to the audit log."""
        entry = {
            "ended_at": approval.stamp(time.time()),
            "outcome": outcome,
            "actions": [asdict(action) for action in self.done],
            "approvals": [asdict(approved) for approved in self.approvals],
            "waits": asdict(self.waits) if self.waits else None,
        }
        log.append(entry)

    def _check_unchanged(self, stage: Stage, initial: dict[str, str]) -> None:
        now = fingerprint(self.pipeline.assembly)
        changed = sorted({name for name, _ in now.items() ^ initial.items()})
        if changed:
            raise PipelineError(
                f"{stage.name}: the assembly changed after the start of the execution: "
                f"{', '.join(changed)}; synthesize, and start again"
            )

    def _run_action(self, stage: Stage, action: Action) -> None:
        self.report(f"▸ {stage.name}: {action.name} …")
        began = time.monotonic()
        try:
            result = "; ".join(self._results(stage, action))
        except PipelineError as error:
            kind = type(error)
            raise kind(f"{stage.name}/{action.name}: {error}") from None
        seconds = time.monotonic() - began
        self.report(f"  {result} ({seconds:.1f} s)")
        self.done.append(CompletedAction(stage.name, action.name, result, round(seconds, 1)))

    def _results(self, stage: Stage, action: Action) -> Iterator[str]:
        configuration = action.configuration
        match action.provider:
            case "CodeStarSourceConnection":
                yield f"the checkout {self.root}"
            case "Manual":
                yield self._request_approval(stage, action)
            case "CloudFormation":
                client = self._client("cloudformation", action.role_arn, self.pipeline.region)
                if configuration["ActionMode"] == "CHANGE_SET_REPLACE":
                    yield change_sets.prepare(self.pipeline, action, client)
                else:
                    yield change_sets.execute(action, client)
            case "CodeBuild":
                yield from self._build(action)
            case _:
                raise PipelineError(f"the provider {action.provider} is not supported")

    def _request_approval(self, stage: Stage, action: Action) -> str:
        """Request an approval; return a description of the approval.

        Raises:
            ApprovalMissingError: nobody has answered the request.
            PipelineError: the request expired, or the assembly or the review page changed.
        """
        text = str(action.configuration.get("CustomData", ""))
        assembly = fingerprint(self.pipeline.assembly)
        self._check_review_page()

        def request(asked_at: float) -> ApprovalRequest:
            return approval.request_approval(
                stage=stage.name,
                text=text,
                assembly=assembly,
                page=self.root / REVIEW_PAGE,
                asked_at=asked_at,
                valid_minutes=action.timeout_minutes,
            )

        asked = request(time.time())
        self.report(f"  {self._changed_stacks(stage)}")
        answer = self.approve(asked)
        if answer is None:
            self.waits = asked
            raise ApprovalMissingError(f"waiting for approval: {asked.shown()}")
        who, approved = answer
        # The request can expire, and the review page can change, while the person reads the page.
        approved.check_in_time(time.time())
        self._check_unchanged(stage, assembly)
        if request(asked.asked_at) != asked:
            raise PipelineError(
                f"{asked.page or REVIEW_PAGE} changed during the approval; start again"
            )
        at = approval.stamp(time.time())
        self.approvals.append(Approval(stage.name, who, at, text, asked.page_digest, approved.code))
        return f"approved by {who}: {text}"

    def _changed_stacks(self, stage: Stage) -> str:
        """Return the changed stacks of a stage as text for the person who approves."""
        changed = [
            action.configuration["StackName"]
            for action in stage.actions
            if action.configuration.get("ActionMode") == "CHANGE_SET_REPLACE"
            and not change_sets.is_deployed(
                self.pipeline,
                action,
                self._client("cloudformation", action.role_arn, self.pipeline.region),
            )
        ]
        names = ", ".join(changed) or "none, the deployed stacks have these templates"
        return f"stacks of {stage.name} that change: {names}"

    def _check_review_page(self) -> None:
        """Check that the review page, if it exists, describes this assembly.

        Raises:
            PipelineError: the page describes another assembly.
        """
        page = self.root / REVIEW_PAGE
        if not page.is_file():
            return
        expected = environments_id(self.pipeline.assembly)
        if expected not in page.read_text(encoding="utf-8", errors="replace"):
            raise PipelineError(
                f"{REVIEW_PAGE} is not the review page of this assembly (SHA-256 of its templates: "
                f"{expected[:12]}…): it describes other environments or another commit; "
                "`deeplens local deliver --review main` creates the page of this assembly first"
            )

    def _build(self, action: Action) -> Iterator[str]:
        if action.name == "SelfMutate":
            yield "the definition is up to date"
            return
        if action.name == "Synth" and not self.run_synth:
            yield f"existing assembly: {self.pipeline.assembly}"
            return
        for command in action.commands:
            if command.startswith("cdk-assets "):
                yield assets.publish(
                    self.pipeline.assembly,
                    command,
                    lambda role_arn, region: self._client("s3", role_arn, region),
                )
            else:
                yield self._command(command)

    def _command(self, command: str) -> str:
        """Run a command in the checkout with the pipeline's credentials; return its last line.

        Raises:
            PipelineError: the command failed; the message contains its error or its last lines.
        """
        result = subprocess.run(  # noqa: S603 - a command of the synthesized pipeline
            ["/bin/bash", "-eu", "-o", "pipefail", "-c", command],
            cwd=self.root,
            env={
                **{
                    name: value
                    for name, value in os.environ.items()
                    if not name.startswith("AWS_") and name not in _OUTER_MAKE_VARIABLES
                },
                "AWS_ENDPOINT_URL": self.endpoint_url,
                "AWS_ACCESS_KEY_ID": self.pipeline.account,
                "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
                "AWS_REGION": self.pipeline.region,
                "AWS_DEFAULT_REGION": self.pipeline.region,
                "AWS_EC2_METADATA_DISABLED": "true",
            },
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        output = [
            line
            for line in (result.stdout + result.stderr).strip().splitlines()
            if not _MAKE_MESSAGE.match(line)
        ]
        if result.returncode:
            errors = [line for line in output if line.startswith(_ERROR)]
            if errors:
                raise PipelineError(errors[-1].removeprefix(_ERROR))
            shown = "\n".join(output[-_SHOWN_LINES:])
            raise PipelineError(f"`{command}` ended with {result.returncode}:\n{shown}")
        return output[-1] if output else f"`{command}` done"

    def _client(self, service: str, role_arn: str, region: str) -> Any:
        """Return a client that uses a role of the target account, as CodePipeline's actions do.

        Raises:
            PipelineError: the pipeline's account cannot assume the role.
        """
        connect: Any = boto3.client  # boto3's stub requires a literal name
        location = {"endpoint_url": self.endpoint_url, "region_name": region}
        sts = connect(
            "sts",
            **location,
            aws_access_key_id=self.pipeline.account,
            aws_secret_access_key=self.secret_access_key,
        )
        try:
            credentials = sts.assume_role(RoleArn=role_arn, RoleSessionName="deliver")[
                "Credentials"
            ]
        except ClientError as error:
            raise PipelineError(
                f"{role_arn}: {error.response['Error']['Message']}; is the account bootstrapped?"
            ) from None
        return connect(
            service,
            **location,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )
