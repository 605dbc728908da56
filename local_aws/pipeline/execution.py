"""One execution of a pipeline: action after action, until one of them stops it."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from local_aws.pipeline import PipelineError, assets, change_sets
from local_aws.pipeline.definition import Action, Pipeline, Stage, fingerprint

_SHOWN_LINES = 12


class ApprovalMissingError(PipelineError):
    """A person has to decide; nothing further happens before."""


@dataclass(frozen=True)
class Done:
    """One action that was carried out, for the record of the execution."""

    stage: str
    action: str
    what: str
    seconds: float


@dataclass
class Execution:
    """Carries a pipeline out on an embedded AWS.

    Attributes:
        root: the checkout, which is the source and where build commands run.
        endpoint_url: of the embedded AWS.
        approve: asks a person; gets the stage and the text of the approval, and returns who
            approved, or None.
        say: takes lines for a terminal.
        run_synth: whether the commands of the synthesis run, too; else its assembly is taken as
            it is.
    """

    pipeline: Pipeline
    root: Path
    endpoint_url: str
    approve: Callable[[str, str], str | None]
    say: Callable[[str], None]
    run_synth: bool = False
    done: list[Done] = field(default_factory=list)

    def run(self) -> None:
        """Run every stage in its order.

        Raises:
            ApprovalMissingError: nobody approved.
            PipelineError: an action failed, or the assembly changed between stages.
        """
        found = fingerprint(self.pipeline.assembly)
        for stage in self.pipeline.stages:
            changed = sorted(
                name
                for name, digest in (fingerprint(self.pipeline.assembly).items() ^ found.items())
            )
            if changed:
                raise PipelineError(
                    f"{stage.name}: the assembly changed since the execution began: "
                    f"{', '.join(dict.fromkeys(changed))}; synthesize, and start again"
                )
            for action in stage.actions:
                self._carry_out(stage, action)

    def record(self, file: Path, outcome: str) -> None:
        """Add what this execution did, and how it ended, to a file: one JSON line."""
        file.parent.mkdir(parents=True, exist_ok=True)
        line = {
            "ended_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "outcome": outcome,
            "actions": [asdict(one) for one in self.done],
        }
        with file.open("a", encoding="utf-8") as trail:
            trail.write(json.dumps(line, ensure_ascii=False) + "\n")

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
                text = str(configuration.get("CustomData", ""))
                who = self.approve(stage.name, text)
                if who is None:
                    raise ApprovalMissingError(f"nobody approved: {text}")
                yield f"approved by {who}: {text}"
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
                **{name: value for name, value in os.environ.items() if name[:4] != "AWS_"},
                "AWS_ENDPOINT_URL": self.endpoint_url,
                "AWS_ACCESS_KEY_ID": self.pipeline.account,
                "AWS_SECRET_ACCESS_KEY": "local",
                "AWS_REGION": self.pipeline.region,
                "AWS_DEFAULT_REGION": self.pipeline.region,
                "AWS_EC2_METADATA_DISABLED": "true",
            },
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        said = (result.stdout + result.stderr).strip().splitlines()
        if result.returncode:
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
            # The embedded AWS checks no signature.
            aws_secret_access_key="local",  # noqa: S106
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
