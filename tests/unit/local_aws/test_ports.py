"""A server reuses the ports of the last server, unless another program has a port."""

import socket
from pathlib import Path

import pytest

from local_aws.process.ports import LOOPBACK, Ports, free, listen, moved


def test_ports_are_read_as_they_were_written(tmp_path: Path) -> None:
    ports = Ports(1, 2, 3)
    ports.write(tmp_path / "ports.json")
    assert Ports.read(tmp_path / "ports.json") == ports


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"other": 1}', '{"gateway": "x"}', "null", '{"mqtt": 99999}']
)
def test_an_unreadable_file_is_any_port(tmp_path: Path, text: str) -> None:
    (tmp_path / "ports.json").write_text(text)
    assert Ports.read(tmp_path / "ports.json") == Ports()


def test_a_port_is_taken_again_unless_another_program_has_it() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        taken = server.getsockname()[1]
        other = free(taken)
        assert other not in {0, taken}
    with listen(taken) as again:
        assert again.getsockname()[1] == taken


def test_only_ports_that_moved_are_named() -> None:
    assert moved(Ports(), Ports(1, 2, 3)) is None
    assert moved(Ports(1, 2, 3), Ports(1, 2, 3)) is None
    note = moved(Ports(1, 2, 3), Ports(1, 4, 5))
    assert note is not None
    assert "port 2 and 3 is in use" in note
