"""Early check of answers to the pipeline's approvals, before the synthesis."""

import time
from pathlib import Path

import click

from deeplens.local.emulator import LOCAL
from deeplens.local.pipeline import PipelineError
from deeplens.local.pipeline.approval import check_code, stage_and_code
from deeplens.local.processes import CommandFailed
from deeplens.releases.executions import execution_log
from model_tools.errors import RegistryError

RECORD = LOCAL / "deliver" / "executions.jsonl"


def check_answers(answers: tuple[str, ...], executions: Path) -> None:
    """Check each answer STAGE=CODE: its code must be valid, and the stage must have requested it.

    Args:
        answers: the answers.
        executions: the log of executions, which contains the requests.

    Raises:
        click.BadParameter: an answer has another form, or its code is for another stage.
        CommandFailed: the code is unknown, used or expired, or the log of executions is not valid.
    """
    for answer in answers:
        try:
            stage, code = stage_and_code(answer)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--approve") from None
        try:
            asked = check_code(code, execution_log(executions).read(), time.time())
        except (PipelineError, RegistryError) as error:
            raise CommandFailed(str(error)) from None
        if asked.stage != stage:
            raise click.BadParameter(
                f"{answer!r} is not a valid answer: the code is for {asked.stage}; "
                f"expected {asked.stage}={code}",
                param_hint="--approve",
            )
