"""An interrupted deploy reports the operations that CloudFormation continues."""

from typing import Any

import pytest

from deeplens.local import cdk, interrupts
from deeplens.local.cdk import stacks_under_way
from deeplens.local.interrupts import Interrupted, interruptible, interruptible_update

DEV: Any = type("Environment", (), {"name": "dev"})()


def interrupt(
    monkeypatch: pytest.MonkeyPatch, *under_way: list[str], emulator_ends: bool
) -> str | int | None:
    """Interrupt a deploy; return the code or the message of its exit.

    `under_way` contains the stacks in progress at each query.
    """
    answers = iter(under_way)
    last: list[str] = []

    def stacks(*_: object) -> list[str]:
        last[:] = next(answers, last)
        return list(last)

    monkeypatch.setattr(cdk, "stacks_under_way", stacks)
    monkeypatch.setattr(interrupts, "_SETTLE_SECONDS", 0.0)
    endpoint: Any = None
    with (
        pytest.raises(SystemExit) as ended,
        interruptible(),
        interruptible_update(DEV, endpoint, emulator_ends=emulator_ends),
    ):
        raise Interrupted
    return ended.value.code


@pytest.mark.parametrize(
    ("under_way", "emulator_ends", "expected"),
    [
        ([[]], False, "everything that was started is stopped"),
        ([[]], True, "everything that was started is stopped"),
        (
            [["dev-Inference (UPDATE_IN_PROGRESS)"]],
            False,
            "the update that CloudFormation began continues: `deeplens local deploy dev` waits",
        ),
        ([["dev-Inference (UPDATE_IN_PROGRESS)"], []], True, "everything that was started"),
        (
            [["dev-Inference (UPDATE_IN_PROGRESS)"]],
            True,
            "the emulator stops in the middle of dev-Inference (UPDATE_IN_PROGRESS): its next",
        ),
    ],
)
def test_an_interrupt_names_what_remains(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    under_way: list[list[str]],
    expected: str,
    *,
    emulator_ends: bool,
) -> None:
    code = interrupt(monkeypatch, *under_way, emulator_ends=emulator_ends)
    assert code == 130
    assert f"interrupted; {expected}" in capsys.readouterr().err


def test_only_operations_of_the_environments_own_stacks_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    statuses = {
        "dev-Inference": "UPDATE_IN_PROGRESS",
        "dev-Devices": "CREATE_COMPLETE",
        "dev-Monitoring": "REVIEW_IN_PROGRESS",
        "development-Inference": "UPDATE_IN_PROGRESS",
        "staging-Inference": "UPDATE_ROLLBACK_IN_PROGRESS",
    }

    class Session:
        def client(self, *_: object, **__: object) -> Any:
            return self

        def describe_stacks(self) -> dict[str, Any]:
            return {
                "Stacks": [
                    {"StackName": name, "StackStatus": status} for name, status in statuses.items()
                ]
            }

    monkeypatch.setattr(cdk, "session", lambda _environment, _endpoint: Session())
    endpoint: Any = type("Endpoint", (), {"url": "http://127.0.0.1:1"})()
    assert stacks_under_way(DEV, endpoint) == ["dev-Inference (UPDATE_IN_PROGRESS)"]
