"""Each input of the corpora is read, or rejected with an error of the project."""

from pathlib import Path

import pytest

from testkit.fuzz.targets import CORPUS, TARGETS, run

pytestmark = pytest.mark.process

INPUTS = sorted(CORPUS.glob("*/*"))


def test_every_target_has_a_corpus() -> None:
    assert {file.parent.name for file in INPUTS} == set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_each_input_is_read_or_rejected(target: str, tmp_path: Path) -> None:
    for number, file in enumerate(sorted((CORPUS / target).iterdir())):
        folder = tmp_path / str(number)
        folder.mkdir()
        run(target, file.read_bytes(), folder)
