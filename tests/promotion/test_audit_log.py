"""The audit log is a hash chain: an error names the first line that was changed."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeplens.releases.audit_log import (
    Move,
    append,
    check_grows_from,
    read_history,
)
from model_tools.errors import RegistryError

MOVE = Move(
    at="2026-01-01T00:00:00Z",
    who="A Person <person@example.com>",
    kind="promote",
    environment="staging",
    model="shapes",
    before="a" * 64,
    after="b" * 64,
    source="dev",
    evidence="2 of 2",
    reason="",
)


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    file = tmp_path / "promotions.jsonl"
    for number in range(4):
        append(file, replace(MOVE, reason=f"reason {number}"))
    return file


def lines(trail: Path) -> list[str]:
    return trail.read_text(encoding="utf-8").splitlines()


def write(trail: Path, content: list[str]) -> None:
    trail.write_text("".join(f"{line}\n" for line in content), encoding="utf-8")


def test_a_whole_trail_is_read_as_it_was_written(trail: Path) -> None:
    assert [move.reason for move in read_history(trail)] == [f"reason {n}" for n in range(4)]


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x1c", "\r\n"])
def test_a_reason_with_a_line_separator_is_read_as_it_was_written(
    trail: Path, separator: str
) -> None:
    append(trail, replace(MOVE, reason=f"first{separator}second"))
    append(trail, MOVE)
    assert read_history(trail)[-2].reason == f"first{separator}second"


@pytest.mark.parametrize("number", range(4))
def test_a_changed_line_is_found_and_named(trail: Path, number: int) -> None:
    content = lines(trail)
    content[number] = content[number].replace("A Person", "Somebody")
    write(trail, content)
    with pytest.raises(RegistryError, match=f"line {number + 1}: was changed"):
        read_history(trail)


def test_a_line_changed_with_its_hash_breaks_the_one_after_it(trail: Path) -> None:
    content = lines(trail)
    forged = replace(Move(**json.loads(content[1])), who="Somebody")
    content[1] = json.dumps(vars(forged.sealed(forged.previous)))
    write(trail, content)
    with pytest.raises(RegistryError, match="line 3: does not follow the line before it"):
        read_history(trail)


@given(st.permutations(range(4)), st.integers(1, 4))
def test_every_other_order_and_every_gap_is_found(order: list[int], length: int) -> None:
    import tempfile  # noqa: PLC0415 - hypothesis cannot use the fixture tmp_path

    chosen = order[:length]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "promotions.jsonl"
        for number in range(4):
            append(file, replace(MOVE, reason=f"reason {number}"))
        content = lines(file)
        write(file, [content[index] for index in chosen])
        if chosen == list(range(length)):
            assert len(read_history(file)) == length
            return
        with pytest.raises(RegistryError, match="does not follow"):
            read_history(file)


@pytest.mark.parametrize("line", ["", "{}", "[1]", "not JSON", '{"at": 1}'])
def test_a_line_that_is_no_move_is_named(trail: Path, line: str) -> None:
    write(trail, [*lines(trail), line])
    with pytest.raises(RegistryError, match="line 5: not a move"):
        read_history(trail)


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.mark.process
def test_a_trail_that_was_rewritten_whole_is_found_against_git(trail: Path) -> None:
    folder = trail.parent
    git(folder, "init", "--quiet")
    check_grows_from_is_unknown(trail)
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "before the audit log")
    check_grows_from(trail, "HEAD")  # the commit contains no audit log
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "the trail")
    append(trail, MOVE)
    check_grows_from(trail, "HEAD")
    trail.unlink()
    append(trail, replace(MOVE, who="Somebody"))
    assert len(read_history(trail)) == 1  # the new chain itself is valid
    with pytest.raises(RegistryError, match="does not begin with its content at HEAD"):
        check_grows_from(trail, "HEAD")


def check_grows_from_is_unknown(trail: Path) -> None:
    with pytest.raises(RegistryError, match="git cannot show"):
        check_grows_from(trail, "no-such-commit")
