"""The project repeats deletions that AWS IoT rejects for a while after a detach."""

import time
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from deeplens.fleet.detaching import delete_once_detached
from deeplens.fleet.errors import FleetError


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


def rejecting(times: int, code: str) -> Callable[[], None]:
    rejections = [
        ClientError({"Error": {"Code": code, "Message": "things are attached"}}, "Delete")
        for _ in range(times)
    ]

    def delete() -> None:
        if rejections:
            raise rejections.pop()

    return delete


@pytest.mark.parametrize("code", ["DeleteConflictException", "InvalidRequestException"])
@pytest.mark.parametrize("times", [0, 1, 6])
def test_a_deletion_is_repeated_until_the_detach_has_its_effect(
    pauses: list[float], code: str, times: int
) -> None:
    reports: list[str] = []
    delete_once_detached(rejecting(times, code), "certificate 1", report=reports.append)
    assert len(pauses) == times
    assert pauses == sorted(pauses)
    assert reports == ["waiting until AWS IoT has detached certificate 1"][:times]


def test_a_deletion_that_stays_rejected_is_one_error_with_the_reason(pauses: list[float]) -> None:
    with pytest.raises(FleetError, match=r"certificate 1 .* 63 s: things are attached"):
        delete_once_detached(
            rejecting(100, "DeleteConflictException"), "certificate 1", report=lambda _: None
        )
    assert sum(pauses) == 63


def test_another_error_is_not_repeated(pauses: list[float]) -> None:
    with pytest.raises(ClientError, match="UnauthorizedException"):
        delete_once_detached(
            rejecting(1, "UnauthorizedException"), "certificate 1", report=lambda _: None
        )
    assert pauses == []
