"""Approvals: each is valid once, for the requested content, until its request expires.

A waiting execution creates an `ApprovalRequest` with a code. An answer with this code approves the
content of the request: the text with the digest, the assembly, and the review page. If this content
changes later, the answer is rejected.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deeplens.local.pipeline import PipelineError

_CODE_LENGTH = 12


@dataclass(frozen=True)
class ApprovalRequest:
    """A request for an approval.

    Attributes:
        text: the text of the pipeline's approval action, with the model and its SHA-256.
        assembly: SHA-256 of all synthesized files.
        page: path of the review page, or an empty string.
        page_digest: SHA-256 of the page, or an empty string.
        asked_at: time of the request, in seconds since the epoch.
        valid_minutes: time from `asked_at` until the request expires, in minutes.
        code: the unique code of the request.
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
        """The time at which the request expires, in seconds since the epoch."""
        return self.asked_at + 60.0 * self.valid_minutes

    def shown(self) -> str:
        """Return the request and its expiry as text for the person who approves."""
        page = "none; `deeplens local deliver --review main` creates one"
        if self.page:
            page = f"{self.page} (SHA-256 {self.page_digest[:_CODE_LENGTH]}…)"
        return f"{self.text}\n  review page: {page}\n  valid until {stamp(self.expires_at)}"

    def check_in_time(self, now: float) -> None:
        """Raise `PipelineError` if the request has expired at `now`."""
        if now > self.expires_at:
            raise PipelineError(
                f"the approval expired: it was requested at {stamp(self.asked_at)} and valid until "
                f"{stamp(self.expires_at)}; run the pipeline again, and read its request"
            )


def request_approval(  # noqa: PLR0913 - one parameter for each part of the request
    *,
    stage: str,
    text: str,
    assembly: dict[str, str],
    page: Path,
    asked_at: float,
    valid_minutes: int,
) -> ApprovalRequest:
    """Create the request of an approval action; `assembly` contains the SHA-256 of each file."""
    exists = page.is_file()
    request = ApprovalRequest(
        stage=stage,
        text=text,
        assembly=_sha256(json.dumps(assembly, sort_keys=True).encode()),
        page=str(page) if exists else "",
        page_digest=_sha256(page.read_bytes()) if exists else "",
        asked_at=asked_at,
        valid_minutes=valid_minutes,
    )
    code = _sha256(json.dumps(asdict(request), sort_keys=True).encode())[:_CODE_LENGTH]
    return ApprovalRequest(**{**asdict(request), "code": code})


def check_answer(
    code: str, asked: ApprovalRequest, executions: Sequence[dict[str, Any]], now: float
) -> ApprovalRequest:
    """Return the earlier request with this code, which must equal the current one in content.

    Args:
        code: the code of the answer.
        asked: the request of this execution.
        executions: the previous executions with their requests.
        now: the current time, in seconds since the epoch.

    Raises:
        PipelineError: the code is unknown, used, expired, or for another request.
    """
    before = check_code(code, executions, now)
    others = [
        f"{member}: then {then}, now {now_}"
        for member, then, now_ in (
            ("stage", before.stage, asked.stage),
            ("text", before.text, asked.text),
            ("assembly", before.assembly[:_CODE_LENGTH], asked.assembly[:_CODE_LENGTH]),
            ("review page", before.page_digest[:_CODE_LENGTH], asked.page_digest[:_CODE_LENGTH]),
        )
        if then != now_
    ]
    if others:
        raise PipelineError(
            f"the approval {code} is for another request ({'; '.join(others)}); run the pipeline "
            "without an answer, and read its request"
        )
    return before


def stage_and_code(text: str) -> tuple[str, str]:
    """Return the stage and the code of an answer STAGE=CODE.

    Raises:
        ValueError: the text does not have this form.
    """
    stage, equals, code = text.partition("=")
    if not (stage and equals and code):
        raise ValueError(
            f"{text!r} is not a valid answer: expected STAGE=CODE; a run without an answer prints "
            "the code of its request"
        )
    return stage, code


def check_code(code: str, executions: Sequence[dict[str, Any]], now: float) -> ApprovalRequest:
    """Return the earlier request with this code, which must be neither used nor expired.

    Args:
        code: the code of the answer.
        executions: the previous executions.
        now: the current time, in seconds since the epoch.

    Raises:
        PipelineError: the code is unknown, used or expired.
    """
    waited = [
        ApprovalRequest(**execution["waits"]) for execution in executions if execution.get("waits")
    ]
    before = next((request for request in reversed(waited) if request.code == code), None)
    if before is None:
        raise PipelineError(
            f"the approval {code!r} was never requested; a run without an answer prints the code"
        )
    used = next(
        (
            execution["ended_at"]
            for execution in executions
            for approval in execution["approvals"]
            if approval["code"] == code
        ),
        None,
    )
    if used is not None:
        raise PipelineError(
            f"the approval {code} was used by the execution that ended at {used}; it is valid "
            "once: run the pipeline without an answer, and read its request"
        )
    before.check_in_time(now)
    return before


def stamp(seconds: float) -> str:
    """Return a time, in seconds since the epoch, as ISO 8601 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
