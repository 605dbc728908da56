"""CloudFormation receives the response, even if its URL fails at first."""

import io
import json
import time
import urllib.request
from email.message import Message
from typing import Any
from urllib.error import HTTPError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cloudformation

EVENT = {
    "RequestType": "Create",
    "ResponseURL": "http://127.0.0.1/answer",
    "StackId": "stack",
    "RequestId": "request",
    "LogicalResourceId": "Model",
    "ResourceProperties": {},
}


def test_an_answer_that_is_refused_is_sent_again_and_its_connection_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusals = [HTTPError("", 503, "busy", Message(), io.BytesIO()) for _ in range(2)]
    waiting, pauses, answers = list(refusals), [], []

    def urlopen(request: Any, timeout: float) -> io.BytesIO:
        del timeout
        if waiting:
            raise waiting.pop(0)
        answers.append(json.loads(request.data))
        return io.BytesIO()

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.setattr(time, "sleep", pauses.append)
    cloudformation._respond(EVENT, "SUCCESS", cloudformation.ResourceResult("a-model"))  # noqa: SLF001 - every handler calls this function
    assert [answer["PhysicalResourceId"] for answer in answers] == ["a-model"]
    assert len(pauses) == 2
    assert all(refusal.fp.closed for refusal in refusals)


@pytest.mark.parametrize("where", ["reason", "status"])
def test_a_response_is_never_longer_than_cloudformation_accepts(
    monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    sent: list[bytes] = []

    def urlopen(request: Any, timeout: float) -> io.BytesIO:
        del timeout
        sent.append(request.data)
        return io.BytesIO()

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    text = "camera-é…" * 2000
    result = cloudformation.ResourceResult("a-model", {"DeploymentId": "d-1", "Status": ""})
    if where == "status":
        result.attributes["Status"] = text
    cloudformation._respond(EVENT, "SUCCESS", result, text if where == "reason" else "")  # noqa: SLF001 - every handler calls this function
    (body,) = sent
    assert 3000 < len(body) <= 4096
    answer = json.loads(body)
    assert answer["Data"]["DeploymentId"] == "d-1"
    kept = answer["Reason"] if where == "reason" else answer["Data"]["Status"]
    assert text.startswith(kept)


@settings(deadline=None)
@given(
    reason=st.text(max_size=40),
    status=st.text(st.characters(exclude_categories=()), max_size=40),
    times=st.tuples(st.integers(0, 400), st.integers(0, 400)),
)
def test_any_text_is_cut_at_a_character_to_the_longest_response(
    reason: str, status: str, times: tuple[int, int]
) -> None:
    body = {
        "Status": "FAILED",
        "Reason": reason * times[0],
        "PhysicalResourceId": "deeplens-project/cameras",
        "Data": {"DeploymentId": "d-1", "Status": status * times[1]},
    }
    content = cloudformation._within_limit(body)  # noqa: SLF001 - the test checks the size limit
    assert len(content) <= 4096
    cut = json.loads(content)
    whole = len(json.dumps(body).encode()) <= 4096
    assert (cut == body) == whole
    assert body["Reason"].startswith(cut["Reason"])
    assert body["Data"]["Status"].startswith(cut["Data"]["Status"])
    assert cut["Data"]["DeploymentId"] == "d-1"
    # Each of the two strings loses at most one character (twelve bytes) more than necessary.
    assert whole or len(content) > 4096 - 24
