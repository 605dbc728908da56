"""CloudFormation gets its answer, also when its address fails at first."""

import io
import json
import time
import urllib.request
from email.message import Message
from typing import Any
from urllib.error import HTTPError

import pytest

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
    cloudformation._answer(EVENT, "SUCCESS", cloudformation.Result("a-model"))  # noqa: SLF001 - what every handler ends with
    assert [answer["PhysicalResourceId"] for answer in answers] == ["a-model"]
    assert len(pauses) == 2
    assert all(refusal.fp.closed for refusal in refusals)
