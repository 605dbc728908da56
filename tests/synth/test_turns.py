"""Python and jsii's Node share a processor while CDK's constructs are made."""

import json
import os
import subprocess
import sys

import pytest

from stacks.synthesis import take_turns
from tests.synth.synthesis import ROOT

pytestmark = pytest.mark.process

_AFFINITIES = """
import json, os
from pathlib import Path
import aws_cdk
from stacks.synthesis import take_turns
from stacks.synthesis.turns import _below
take_turns()
nodes = list(_below(os.getpid()))
print(json.dumps({
    "python": sorted(os.sched_getaffinity(0)),
    "node": [sorted(os.sched_getaffinity(one)) for one in nodes],
    "threads": [
        sorted(os.sched_getaffinity(int(thread.name)))
        for one in nodes
        for thread in Path(f"/proc/{one}/task").iterdir()
        if int(thread.name) != one
    ],
}))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="not a system that has it")
def test_python_and_node_stay_on_one_processor_and_nodes_other_threads_are_free() -> None:
    said = subprocess.run(
        [sys.executable, "-c", _AFFINITIES],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    affinities = json.loads(said.stdout)
    assert len(affinities["python"]) == 1
    assert affinities["node"], "jsii runs Node"
    assert all(one == affinities["python"] for one in affinities["node"])
    assert all(one == sorted(os.sched_getaffinity(0)) for one in affinities["threads"])


def test_a_system_without_such_a_choice_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    take_turns()


def test_a_system_that_refuses_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(process: int, processors: set[int]) -> None:
        raise PermissionError(1, f"{process}: {processors}")

    monkeypatch.setattr(os, "sched_setaffinity", refuse, raising=False)
    take_turns()
