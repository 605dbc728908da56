"""While CDK creates constructs, Python and jsii's Node share one CPU."""

import json
import os
import subprocess
import sys

import pytest

from stacks.synthesis import pin_to_one_cpu
from tests.synth.synthesis import ROOT

pytestmark = pytest.mark.process

_AFFINITIES = """
import json, os
from pathlib import Path
import aws_cdk
from stacks.synthesis import _descendants, pin_to_one_cpu
pin_to_one_cpu()
nodes = list(_descendants(os.getpid()))
print(json.dumps({
    "python": sorted(os.sched_getaffinity(0)),
    "node": [sorted(os.sched_getaffinity(node)) for node in nodes],
    "threads": [
        sorted(os.sched_getaffinity(int(thread.name)))
        for node in nodes
        for thread in Path(f"/proc/{node}/task").iterdir()
        if int(thread.name) != node
    ],
}))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no CPU affinity")
def test_python_and_node_share_one_cpu_and_nodes_other_threads_do_not() -> None:
    result = subprocess.run(
        [sys.executable, "-c", _AFFINITIES],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    affinities = json.loads(result.stdout)
    assert len(affinities["python"]) == 1
    assert affinities["node"], "jsii runs Node"
    assert all(cpus == affinities["python"] for cpus in affinities["node"])
    assert all(cpus == sorted(os.sched_getaffinity(0)) for cpus in affinities["threads"])


def test_a_system_without_cpu_affinity_is_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    pin_to_one_cpu()


def test_a_system_that_denies_cpu_affinity_is_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(process: int, cpus: set[int]) -> None:
        raise PermissionError(1, f"{process}: {cpus}")

    monkeypatch.setattr(os, "sched_setaffinity", deny, raising=False)
    pin_to_one_cpu()
