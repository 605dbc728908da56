"""One execution of a pipeline: action after action, until one of them stops it."""

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

from local_aws.pipeline import PipelineError, approval, assets, change_sets, record
from local_aws.pipeline.approval import Request
from local_aws.pipeline.definition import (
    Action,
    Pipeline,
    Stage,
    environments_id,
    fingerprint,
)

_SHOWN_LINES = 12
# Lines that make prints about itself, such as "make: Nothing to be done for 'setup'."
_OF_MAKE = re.compile(r"make(\[\d+\])?: ")
# The prefix of an error in every command of this project.
_ERROR = "Error: "
# A command of a build that runs make is not part of the make that started this process.
_OF_AN_OUTER_MAKE = frozenset({"MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS"})
# Where `make review` writes what a person reads before approving.
REVIEW_PAGE = Path("build") / "review" / "review.html"


class ApprovalMissingError(PipelineError):
    """A person has to decide; nothing further happens before."""


@dataclass(frozen=True)
class Approval:
    """Who approved what, and when (ISO 8601, UTC)."""

    stage: str
    who: str
    at: str
    text: str
    page_digest: str
    code: str


@dataclass(frozen=True)
class Done:
    """One action that was carried out, for the record of the execution."""

    stage: str
    action: str
    what: str
    seconds: float


@dataclass
class Execution:
    """Carries a pipeline out on the emulator.

    Attributes:
        root: the checkout, which is the source and where build commands run.
        endpoint_url: of the emulator.
        secret_access_key: of the pipeline's account.
        approve: asks a person; returns who approved, and by which request, or None.
        say: takes lines for a terminal.
        run_synth: whether the commands of the synthesis run, too; else its assembly is taken as
            it is.
    """

    pipeline: Pipeline
    root: Path
    endpoint_url: str
    secret_access_key: str = field(repr=False)
    approve: Callable[[Request], tuple[str, Request] | None]
    say: Callable[[str], None]
    run_synth: bool = False
    done: list[Done] = field(default_factory=list)
    approvals: list[Approval] = field(default_factory=list)
    waits: Request | None = None

    def run(self) -> None:
        """Run every stage in its order.

        Raises:
            ApprovalMissingError: nobody approved.
            PipelineError: an action failed, or the assembly changed between stages.
        """
        found = fingerprint(self.pipeline.assembly)
        for stage in self.pipeline.stages:
            self._check_unchanged(stage, found)
            for action in stage.actions:
                self._carry_out(stage, action)

    def record(self, file: Path, outcome: str) -> None:
        """Add what this execution did, and how it ended, to a file: one JSON line."""
        line = {
            "ended_at": approval.stamp(time.time()),
            "outcome": outcome,
            "actions": [asdict(one) for one in self.done],
            "approvals": [asdict(one) for one in self.approvals],
            "waits": asdict(self.waits) if self.waits else None,
        }
        record.append(file, line)

    def _check_unchanged(self, stage: Stage, found: dict[str, str]) -> None:
        now = fingerprint(self.pipeline.assembly)
        changed = sorted({name for name, _ in now.items() ^ found.items()})
        if changed:
            raise PipelineError(
                f"{stage.name}: the assembly changed since the execution began: "
                f"{', '.join(changed)}; synthesize, and start again"
            )

    def _carry_out(self, stage: Stage, action: Action) -> None:
        self.say(f"▸ {stage.name}: {action.name} …")
        began = time.monotonic()
        try:
            what = "; ".join(self._do(stage, action))
        except PipelineError as error:
            kind = type(error)
            raise kind(f"{stage.name}/{action.name}: {error}") from None
        seconds = time.monotonic() - began
        self.say(f"  {what} ({seconds:.1f} s)")
        self.done.append(Done(stage.name, action.name, what, round(seconds, 1)))

    def _do(self, stage: Stage, action: Action) -> Iterator[str]:
        configuration = action.configuration
        match action.provider:
            case "CodeStarSourceConnection":
                yield f"the checkout {self.root}"
            case "Manual":
                yield self._ask(stage, action)
            case "CloudFormation":
                client = self._client("cloudformation", action.role_arn, self.pipeline.region)
                if configuration["ActionMode"] == "CHANGE_SET_REPLACE":
                    yield change_sets.prepare(self.pipeline, action, client)
                else:
                    yield change_sets.execute(action, client)
            case "CodeBuild":
                yield from self._build(action)
            case _:
                raise PipelineError(f"nothing here carries out {action.provider}")

    def _ask(self, stage: Stage, action: Action) -> str:
        """Ask a person; return who approved what."""
        text = str(action.configuration.get("CustomData", ""))
        found = fingerprint(self.pipeline.assembly)
        self._check_review_page()

        def request(asked_at: float) -> Request:
            return approval.ask(
                stage=stage.name,
                text=text,
                assembly=found,
                page=self.root / REVIEW_PAGE,
                asked_at=asked_at,
                valid_minutes=action.timeout_minutes,
            )

        asked = request(time.time())
        self.say(f"  {self._what_changes(stage)}")
        answer = self.approve(asked)
        if answer is None:
            self.waits = asked
            raise ApprovalMissingError(f"waiting for approval: {asked.shown()}")
        who, given = answer
        # A person takes a while: what was read may be another page by now, or too late.
        given.check_in_time(time.time())
        self._check_unchanged(stage, found)
        if request(asked.asked_at) != asked:
            raise PipelineError(
                f"{asked.page or REVIEW_PAGE} changed while somebody read it; start again"
            )
        at = approval.stamp(time.time())
        self.approvals.append(Approval(stage.name, who, at, text, asked.page_digest, given.code))
        return f"approved by {who}: {text}"

    def _what_changes(self, stage: Stage) -> str:
        """Return which stacks of a stage the approval would change, for the person who approves."""
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
        names = ", ".join(changed) or "none, what is deployed there has these templates"
        return f"stacks of {stage.name} that change: {names}"

    def _check_review_page(self) -> None:
        """Check that the review page, if there is one, was made from this assembly.

        Raises:
            PipelineError: it was made from another assembly.
        """
        page = self.root / REVIEW_PAGE
        if not page.is_file():
            return
        expected = environments_id(self.pipeline.assembly)
        if expected not in page.read_text(encoding="utf-8", errors="replace"):
            raise PipelineError(
                f"{REVIEW_PAGE} is not the review page of this assembly (SHA-256 of its templates: "
                f"{expected[:12]}…): it was made from other environments or another commit; "
                "`make deliver BASE=main` makes the page of this assembly first"
            )

    def _build(self, action: Action) -> Iterator[str]:
        if action.name == "SelfMutate":
            yield "the definition is that of this assembly"
            return
        if action.name == "Synth" and not self.run_synth:
            yield f"taken as it is: {self.pipeline.assembly}"
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
        """Run a build command in the checkout, as the pipeline's account."""
        result = subprocess.run(  # noqa: S603 - a command of the synthesized pipeline itself
            ["/bin/bash", "-eu", "-o", "pipefail", "-c", command],
            cwd=self.root,
            env={
                **{
                    name: value
                    for name, value in os.environ.items()
                    if not name.startswith("AWS_") and name not in _OF_AN_OUTER_MAKE
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
        said = [
            line
            for line in (result.stdout + result.stderr).strip().splitlines()
            if not _OF_MAKE.match(line)
        ]
        if result.returncode:
            errors = [line for line in said if line.startswith(_ERROR)]
            if errors:
                raise PipelineError(errors[-1].removeprefix(_ERROR))
            shown = "\n".join(said[-_SHOWN_LINES:])
            raise PipelineError(f"`{command}` ended with {result.returncode}:\n{shown}")
        return said[-1] if said else f"`{command}` done"

    def _client(self, service: str, role_arn: str, region: str) -> Any:
        """Connect as a role of the account that is delivered to, as CodePipeline does."""
        connect: Any = boto3.client  # its stub wants a literal name
        here = {"endpoint_url": self.endpoint_url, "region_name": region}
        sts = connect(
            "sts",
            **here,
            aws_access_key_id=self.pipeline.account,
            aws_secret_access_key=self.secret_access_key,
        )
        try:
            given = sts.assume_role(RoleArn=role_arn, RoleSessionName="deliver")["Credentials"]
        except ClientError as error:
            raise PipelineError(
                f"{role_arn}: {error.response['Error']['Message']}; is the account bootstrapped?"
            ) from None
        return connect(
            service,
            **here,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
        )
