"""An approval: of what was shown, once, and for as long as the pipeline's definition says.

An execution that waits asks by a `Request` with a code. Who answers with the code later approves
what was asked then: the text with the digest, the assembly, and the review page. When any of them
is another one now, the answer is for something else, and counts for nothing.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local_aws.pipeline import PipelineError

_CODE_LENGTH = 12


@dataclass(frozen=True)
class Request:
    """What a person is asked.

    Attributes:
        text: of the pipeline's approval action; it names the model and its SHA-256.
        assembly: SHA-256 of everything that was synthesized.
        page: path of the review page, empty if nobody made one.
        page_digest: SHA-256 of the page, empty without one.
        asked_at: seconds since the epoch.
        valid_minutes: how long an answer counts.
        code: names this request, and no other.
    """

    stage: str
    text: str
    assembly: str
    page: str
    page_digest: str
    asked_at: float
    valid_minutes: int
    code: str = ""

    @property
    def expires_at(self) -> float:
        """When an answer comes too late, in seconds since the epoch."""
        return self.asked_at + 60.0 * self.valid_minutes

    def shown(self) -> str:
        """Say to a person what is asked, and until when."""
        page = "none; `deeplens local deliver --review main` makes one"
        if self.page:
            page = f"{self.page} (SHA-256 {self.page_digest[:_CODE_LENGTH]}…)"
        return f"{self.text}\n  review page: {page}\n  valid until {stamp(self.expires_at)}"

    def check_in_time(self, now: float) -> None:
        """Raise `PipelineError` when an answer at `now` comes too late."""
        if now > self.expires_at:
            raise PipelineError(
                f"the approval expired: it was asked for at {stamp(self.asked_at)} and counted "
                f"until {stamp(self.expires_at)}; run the pipeline again, and read what it asks"
            )


def ask(  # noqa: PLR0913 - what is asked, what it is bound to, and until when
    *,
    stage: str,
    text: str,
    assembly: dict[str, str],
    page: Path,
    asked_at: float,
    valid_minutes: int,
) -> Request:
    """Make the request of one approval action; `assembly` has the SHA-256 of each of its files."""
    there = page.is_file()
    request = Request(
        stage=stage,
        text=text,
        assembly=_sha256(json.dumps(assembly, sort_keys=True).encode()),
        page=str(page) if there else "",
        page_digest=_sha256(page.read_bytes()) if there else "",
        asked_at=asked_at,
        valid_minutes=valid_minutes,
    )
    code = _sha256(json.dumps(asdict(request), sort_keys=True).encode())[:_CODE_LENGTH]
    return Request(**{**asdict(request), "code": code})


def check_answer(
    code: str, asked: Request, executions: Sequence[dict[str, Any]], now: float
) -> Request:
    """Return the request that a code answers, if it is for what is asked now.

    Args:
        code: as the person gave it.
        asked: what this execution asks.
        executions: the record of those before, which has what was asked then.
        now: seconds since the epoch.

    Raises:
        PipelineError: nobody asked for that, it was used, it expired, or it is for something else.
    """
    before = check_code(code, executions, now)
    others = [
        f"{what}: then {then}, now {today}"
        for what, then, today in (
            ("stage", before.stage, asked.stage),
            ("text", before.text, asked.text),
            ("assembly", before.assembly[:_CODE_LENGTH], asked.assembly[:_CODE_LENGTH]),
            ("review page", before.page_digest[:_CODE_LENGTH], asked.page_digest[:_CODE_LENGTH]),
        )
        if then != today
    ]
    if others:
        raise PipelineError(
            f"the approval {code} is for something else ({'; '.join(others)}); run the pipeline "
            "without an answer, and read what it asks"
        )
    return before


def stage_and_code(text: str) -> tuple[str, str]:
    """Split an answer STAGE=CODE.

    Raises:
        ValueError: it is not of that form.
    """
    stage, equals, code = text.partition("=")
    if not (stage and equals and code):
        raise ValueError(
            f"{text!r} is not a valid answer: expected STAGE=CODE; a run without it prints the "
            "code of what it asks"
        )
    return stage, code


def check_code(code: str, executions: Sequence[dict[str, Any]], now: float) -> Request:
    """Return the request that a code answers, from the record alone.

    Args:
        code: as the person gave it.
        executions: the record of those before.
        now: seconds since the epoch.

    Raises:
        PipelineError: nobody asked for that, it was used, or it expired.
    """
    waited = [Request(**one["waits"]) for one in executions if one.get("waits")]
    before = next((one for one in reversed(waited) if one.code == code), None)
    if before is None:
        raise PipelineError(
            f"the approval {code!r} was never asked for; a run without an answer prints the code"
        )
    used = next(
        (
            execution["ended_at"]
            for execution in executions
            for one in execution["approvals"]
            if one["code"] == code
        ),
        None,
    )
    if used is not None:
        raise PipelineError(
            f"the approval {code} was used by the execution that ended at {used}; each counts "
            "once: run the pipeline without an answer, and read what it asks"
        )
    before.check_in_time(now)
    return before


def stamp(seconds: float) -> str:
    """Return a time in UTC for people."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
