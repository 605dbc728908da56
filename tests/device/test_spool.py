import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camera.errors import SpoolError
from camera.spool import Entry, Spool
from camera.spool_file import recover
from tests.device.function_process import PYTHON_PATH

TOPIC = "deeplens/front-door/infer"


def entry(text: str) -> Entry:
    return Entry(TOPIC, text.encode())


def drained(spool: Spool) -> list[str]:
    payloads = []
    while message := spool.oldest():
        payloads.append(message.payload.decode())
        spool.remove(message.sequence)
    return payloads


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path)
    yield made
    made.close()


def test_messages_are_returned_in_the_order_in_which_they_were_added(spool: Spool) -> None:
    spool.add([entry("1"), entry("2")])
    spool.add([entry("3")])
    assert spool.state().messages == 3
    assert drained(spool) == ["1", "2", "3"]
    assert spool.state().messages == 0
    assert spool.state().bytes == 0


def test_a_message_stays_the_oldest_until_it_is_removed(spool: Spool) -> None:
    spool.add([entry("1"), entry("2")])
    assert spool.oldest() == spool.oldest()


@pytest.mark.process
def test_added_messages_exist_after_the_process_was_killed(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from camera.spool import Entry, Spool\n"
        "spool = Spool(Path(sys.argv[1]))\n"
        "for number in range(50):\n"
        "    spool.add([Entry('t', str(number).encode())])\n"
        "for number in range(20):\n"
        "    spool.remove(spool.oldest().sequence)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env={"PYTHONPATH": PYTHON_PATH},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    spool = Spool(tmp_path)
    assert drained(spool) == [str(number) for number in range(20, 50)]
    spool.close()


def test_a_full_spool_rejects_the_newest_and_retains_the_stored_messages(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit_bytes=2000)
    for number in range(12):
        spool.add([entry(f"{number:0100}")])
    with pytest.raises(SpoolError, match=r"the spool is full: \d+ of 2000 bytes"):
        spool.add([entry("x" * 100)])
    assert 0.9 < spool.state().fill <= 1
    assert len(drained(spool)) == 12
    spool.add([entry("again")])
    assert drained(spool) == ["again"]
    spool.close()


def test_the_file_does_not_grow_without_end(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit_bytes=100_000)
    for _ in range(400):
        spool.add([entry("x" * 5000)] * 5)
        drained(spool)
    assert sum(file.stat().st_size for file in tmp_path.glob("spool.sqlite*")) < 2_000_000
    spool.close()


def test_a_second_process_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("camera.spool_file._LOCK_SECONDS", 0.1)
    spool = Spool(tmp_path)
    with pytest.raises(SpoolError, match="database is locked"):
        Spool(tmp_path)
    spool.close()


def test_only_the_owner_can_read_the_spool(spool: Spool, tmp_path: Path) -> None:
    assert spool.state().messages == 0
    assert (tmp_path / "spool.sqlite").stat().st_mode & 0o077 == 0


def test_a_damaged_record_is_skipped_and_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.add([entry("1"), entry("2"), entry("3")])
    spool.close()
    database = sqlite3.connect(tmp_path / "spool.sqlite")
    database.execute("UPDATE messages SET payload = x'ff' WHERE sequence = 2")
    database.commit()
    database.close()
    spool = Spool(tmp_path)
    assert drained(spool) == ["1", "3"]
    assert spool.state().corrupt == 1
    spool.close()


def test_a_file_that_is_not_a_database_is_set_aside_and_counted(tmp_path: Path) -> None:
    (tmp_path / "spool.sqlite").write_bytes(os.urandom(20_000))
    spool = Spool(tmp_path)
    assert spool.state().corrupt == 1
    assert (tmp_path / "spool.sqlite.damaged").exists()
    spool.add([entry("1")])
    assert drained(spool) == ["1"]
    spool.close()


@pytest.mark.parametrize("page", range(3, 34, 6))
@pytest.mark.parametrize(("offset", "length"), [(0, 4096), (0, 32), (0, 512)])
def test_a_damaged_page_costs_its_own_messages_only(
    tmp_path: Path, page: int, offset: int, length: int
) -> None:
    damaged = damaged_spool(tmp_path, at=page * 4096 + offset, length=length)
    assert damaged.numbers == sorted(damaged.numbers)
    assert len(damaged.numbers) >= 280
    assert len(damaged.numbers) + damaged.corrupt == 300


@pytest.mark.parametrize("page", range(3, 34, 6))
def test_a_damaged_sector_behind_the_head_of_a_page_costs_at_most_the_page(
    tmp_path: Path, page: int
) -> None:
    damaged = damaged_spool(tmp_path, at=page * 4096 + 1024, length=512)
    # SQLite's binary search in a page also misses the messages next to a damaged sequence number.
    assert len(damaged.numbers) >= 288
    assert len(damaged.numbers) + damaged.corrupt == 300


# Without page 0 (the header) or page 1 (the addresses of all other pages), no message can be
# recovered.
@pytest.mark.parametrize("page", [0, 1])
def test_without_the_first_or_the_root_page_the_unknown_number_counts_as_one(
    tmp_path: Path, page: int
) -> None:
    damaged = damaged_spool(tmp_path, at=page * 4096, length=4096)
    assert (damaged.numbers, damaged.corrupt) == ([], 1)


def test_a_damaged_overflow_page_costs_one_message(tmp_path: Path) -> None:
    damaged = damaged_spool(tmp_path, at=20 * 4096 + 500, length=100, count=30, size=20_000)
    assert len(damaged.numbers) == 29
    assert damaged.corrupt == 1


def test_messages_that_were_removed_before_the_damage_are_not_recovered(tmp_path: Path) -> None:
    damaged = damaged_spool(tmp_path, at=30 * 4096, length=32, removed=150)
    assert min(damaged.numbers) >= 150
    assert len(damaged.numbers) >= 130
    assert len(damaged.numbers) + damaged.corrupt == 150


def test_a_damaged_topic_is_skipped_and_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.add([entry("1"), entry("2")])
    spool.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "spool.sqlite")) as database, database:
        database.execute("UPDATE messages SET topic = CAST(x'ff' AS TEXT) WHERE sequence = 1")
    spool = Spool(tmp_path)
    assert drained(spool) == ["2"]
    assert spool.state().corrupt == 1
    spool.close()


def test_the_write_ahead_log_is_read_without_the_file(tmp_path: Path) -> None:
    living, damaged = tmp_path / "living", tmp_path / "damaged"
    spool = Spool(living)
    spool.add([entry(f"{number:04}" + "x" * 400) for number in range(300)])
    damaged.mkdir()
    # After a power cut, the write-ahead log contains changes that are not in the database file.
    (damaged / "spool.sqlite-wal").write_bytes((living / "spool.sqlite-wal").read_bytes())
    (damaged / "spool.sqlite").write_bytes(os.urandom(8192))
    spool.close()
    recovered = recover(damaged / "spool.sqlite")
    assert [int(payload[:4]) for _, _, payload, _ in recovered.rows] == list(range(300))
    assert recovered.lost == 0


@settings(deadline=None, max_examples=50)
@given(content=st.binary(max_size=20_000), log=st.binary(max_size=10_000))
def test_any_content_of_the_files_ends_in_an_empty_spool(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, log: bytes
) -> None:
    directory = tmp_path_factory.mktemp("spool")
    (directory / "spool.sqlite").write_bytes(content)
    (directory / "spool.sqlite-wal").write_bytes(log)
    spool = Spool(directory)
    assert spool.oldest() is None
    assert spool.state().corrupt <= 1
    spool.close()


@settings(deadline=None, max_examples=50)
@given(
    at=st.integers(0, 35 * 4096),
    noise=st.binary(min_size=1, max_size=3000),
    log_at=st.integers(0, 4096),
)
def test_any_damage_ends_in_complete_messages(
    tmp_path_factory: pytest.TempPathFactory, at: int, noise: bytes, log_at: int
) -> None:
    directory = tmp_path_factory.mktemp("spool")
    spool = Spool(directory)
    spool.add([entry(f"{number:04}" + "x" * 400) for number in range(300)])
    spool.close()
    file = directory / "spool.sqlite"
    content = file.read_bytes()
    file.write_bytes((content[:at] + noise + content[at + len(noise) :])[: len(content)])
    (directory / "spool.sqlite-wal").write_bytes(noise[log_at:])
    spool = Spool(directory)
    numbers = []
    while message := spool.oldest():
        assert message.payload[4:] == b"x" * 400
        numbers.append(int(message.payload[:4]))
        spool.remove(message.sequence)
    assert set(numbers) <= set(range(300))
    assert len(numbers) == 300 or spool.state().corrupt
    spool.close()


@dataclass(frozen=True)
class Damaged:
    """The sequence numbers of the messages in a damaged spool, and the count of lost messages."""

    numbers: list[int]
    corrupt: int


def damaged_spool(  # noqa: PLR0913 - the parameters describe the damage and the content
    folder: Path, *, at: int, length: int, count: int = 300, size: int = 400, removed: int = 0
) -> Damaged:
    """Fill a spool, remove its oldest messages and damage its file; return the readable content."""
    spool = Spool(folder)
    spool.add([entry(f"{number:04}" + "x" * size) for number in range(count)])
    for _ in range(removed):
        message = spool.oldest()
        assert message is not None
        spool.remove(message.sequence)
    spool.close()
    file = folder / "spool.sqlite"
    content = bytearray(file.read_bytes())
    assert at + length <= len(content)
    content[at : at + length] = os.urandom(length)
    file.write_bytes(content)
    spool = Spool(folder)
    numbers = [int(text[:4]) for text in drained(spool)]
    corrupt = spool.state().corrupt
    spool.close()
    return Damaged(numbers, corrupt)


@pytest.mark.parametrize("page", [2, -1])
def test_without_the_first_or_last_leaf_page_the_others_are_recovered(
    tmp_path: Path, page: int
) -> None:
    spool = Spool(tmp_path)
    spool.add([entry(f"{number:04}" + "x" * 400) for number in range(300)])
    spool.close()
    file = tmp_path / "spool.sqlite"
    content = bytearray(file.read_bytes())
    at = page * 4096 if page > 0 else len(content) - 4096
    content[at : at + 4096] = os.urandom(4096)
    file.write_bytes(content)
    spool = Spool(tmp_path)
    assert spool.state().corrupt >= 1
    assert len(drained(spool)) >= 280
    spool.close()


def test_a_file_that_is_damaged_during_use_is_replaced(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.add([entry(f"{number}" + "x" * 400) for number in range(200)])
    spool.close()
    spool = Spool(tmp_path)
    with (tmp_path / "spool.sqlite").open("r+b") as file:
        file.seek(0)
        file.write(os.urandom(8192))
    count = 0
    for _ in range(400):
        try:
            message = spool.oldest()
            if message is None:
                break
            spool.remove(message.sequence)
            count += 1
        except SpoolError:
            continue
    spool.add([entry("on it goes")])
    assert drained(spool) == ["on it goes"]
    spool.close()


def test_a_folder_that_cannot_be_used_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(SpoolError, match=r"the spool .*spool\.sqlite cannot be opened"):
        Spool(tmp_path / "state")


def test_without_a_disk_the_spool_is_in_memory() -> None:
    spool = Spool.in_memory()
    spool.add([entry("1")])
    assert drained(spool) == ["1"]
    assert spool.state().fill == 0


def test_threads_share_a_spool(spool: Spool) -> None:
    def add(worker: int) -> None:
        for number in range(25):
            spool.add([entry(f"{worker}-{number}")])

    threads = [threading.Thread(target=add, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    payloads = drained(spool)
    assert len(set(payloads)) == 100
    for worker in range(4):
        own = [text for text in payloads if text.startswith(f"{worker}-")]
        assert own == [f"{worker}-{number}" for number in range(25)]


@settings(deadline=None, max_examples=60)
@given(
    steps=st.lists(
        st.one_of(st.integers(1, 4), st.just("take"), st.just("reopen"), st.just("fail to take")),
        max_size=40,
    )
)
def test_the_spool_is_a_queue_for_any_sequence_of_operations(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int | str]
) -> None:
    directory = tmp_path_factory.mktemp("spool")
    spool, model, count = Spool(directory), [], 0
    for step in steps:
        if isinstance(step, int):
            added = [f"{count + index}" for index in range(step)]
            spool.add([entry(text) for text in added])
            model += added
            count += step
        elif step == "reopen":
            spool.close()
            spool = Spool(directory)
        else:
            message = spool.oldest()
            assert (message.payload.decode() if message else None) == (model[0] if model else None)
            if message and step == "take":
                spool.remove(message.sequence)
                model.pop(0)
        assert spool.state().messages == len(model)
    assert drained(spool) == model
    spool.close()
