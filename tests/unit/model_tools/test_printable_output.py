"""Names in a file cannot control the terminal of the person who reads the output."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from local_aws.devices.mqtt_subscription import describe
from model_tools.cli.errors import ReportingGroup, echo
from model_tools.errors import RefusedError, ServingError, SourceError
from model_tools.graph.messages import message_class
from model_tools.graph.rules import refuse_ops
from model_tools.images import open_image_file
from shared.artifact.errors import ManifestError

HOSTILE = "\x1b]0;pwned\x07\u202eOp\u2028"


def run(error: Exception) -> tuple[int, str]:
    """Run a command that raises `error`; return its exit code and output."""

    @click.group(cls=ReportingGroup)
    def main() -> None: ...

    @main.command()
    def fail() -> None:
        raise error

    result = CliRunner().invoke(main, ["fail"])
    return result.exit_code, result.output


def test_the_name_of_an_operation_is_escaped() -> None:
    graph = message_class("GraphDef")()
    graph.node.add(name="x\nforged", op=HOSTILE)
    with pytest.raises(RefusedError) as refused:
        refuse_ops(graph.node)
    code, output = run(refused.value)
    assert code == 2
    assert output == (
        r"Error: op-allowed: the model needs '\x1b]0;pwned\x07\u202eOp\u2028' ('x\nforged'); only "
        "pure computation is allowed\n"
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [(ServingError(HOSTILE), 1), (ManifestError(HOSTILE), 2), (OSError(HOSTILE), 1)],
)
def test_each_error_is_escaped_and_bounded(error: Exception, code: int) -> None:
    assert run(error) == (code, "Error: \\x1b]0;pwned\\x07\\u202eOp\\u2028\n")
    exit_code, output = run(type(error)("x" * 48_000_000))
    assert exit_code == code
    assert len(output) < 20_000


def test_output_is_escaped_and_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    echo(f"first\t{HOSTILE}\nsecond")
    assert capsys.readouterr().out == "first\t\\x1b]0;pwned\\x07\\u202eOp\\u2028\nsecond\n"


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"{}", b"null", b'{"error": 1}', b"[" * 100_000, b"\xff\x1b[2J"]
)
def test_a_message_that_is_none_is_shown_as_such(payload: bytes) -> None:
    shown = describe(payload)
    assert shown.startswith("not a message of a camera: b")
    assert shown.isprintable()
    assert len(shown) < 1000


def test_the_name_of_an_image_does_not_begin_a_line(tmp_path: Path) -> None:
    file = tmp_path / "a\nError: forged.png"
    file.write_bytes(b"no image")
    with pytest.raises(SourceError) as refused:
        open_image_file(file)
    _, output = run(refused.value)
    assert output.count("\n") == 1
    assert r"a\nError: forged.png is not a readable image" in output
