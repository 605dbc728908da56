"""`deeplens model invoke` against servers that answer, refuse, and are not there."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from model_tools.cli.invoke import named_classes
from model_tools.cli.main import main
from model_tools.errors import VerifyError
from model_tools.hosting.comparing import largest_difference
from model_tools.hosting.invoking import wait_for


class Server:
    """Answers with what it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer: tuple[int, dict[str, str], bytes] = (200, {}, b"{}")
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.asked.append((self.path, dict(self.headers), body))
                status, headers, answer = owner.answer
                self.send_response(status)
                for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    found = Server()
    thread = threading.Thread(target=found.http.serve_forever)
    thread.start()
    yield found
    found.http.shutdown()
    thread.join()
    found.http.server_close()


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, ["invoke", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def sagemaker(server: Server, *arguments: object) -> Result:
    return run("--endpoint-name", "iris", "--endpoint-url", server.url, "--data", "[1]", *arguments)


def test_a_server_is_asked_where_it_answers(server: Server) -> None:
    for url, path in (
        ("", "/invocations"),
        ("/", "/invocations"),
        ("/v1/models/iris", "/v1/models/iris:predict"),
        ("/v1/models/iris/versions/2:classify", "/v1/models/iris/versions/2:classify"),
    ):
        assert run("--url", server.url + url, "--data", "[1]").exit_code == 0
        assert server.asked[-1][0] == path


def test_every_round_is_timed_and_the_answer_is_shown(server: Server) -> None:
    server.answer = (200, {"Content-Type": "application/json"}, b'{"predictions": [0.5]}')
    told = run(
        "--url", server.url, "--data", '{"instances": [1]}', "--rounds", 5, "--json",
        "--custom-attributes", "tfs-model-version=2",
    )  # fmt: skip
    (document,) = json.loads(told.output)
    assert document["answer"] == {"predictions": [0.5]}
    assert len(document["milliseconds"]) == len(server.asked) == 5
    assert document["median_ms"] == sorted(document["milliseconds"])[2]
    _, headers, body = server.asked[0]
    assert body == b'{"instances": [1]}'
    assert headers["X-Amzn-SageMaker-Custom-Attributes"] == "tfs-model-version=2"
    assert "ms (once)" in run("--url", server.url, "--data", "1").output


def test_pictures_go_as_they_are_or_as_numbers(server: Server, tmp_path: Path) -> None:
    for number, suffix in enumerate(("png", "jpg", "bmp")):
        Image.new("RGB", (6, 4), (128, 0, 255)).save(tmp_path / f"{number}.{suffix}")
    assert run("--url", server.url, "--picture", tmp_path).exit_code == 0
    sent = [headers["Content-Type"] for _, headers, _ in server.asked]
    assert sent == ["image/png", "image/jpeg", "application/x-image"]
    assert server.asked[0][2] == (tmp_path / "0.png").read_bytes()
    run(
        "--url", server.url, "--picture", tmp_path / "0.png", "--size", "3x2", "--mean", 128,
        "--scale", 0.5,
    )  # fmt: skip
    _, headers, body = server.asked[-1]
    values = np.array(json.loads(body)["instances"])
    assert headers["Content-Type"] == "application/json"
    assert values.shape == (1, 2, 3, 3)
    assert values[0, 0, 0].tolist() == [0, -64, 63.5]


def test_sagemaker_is_asked_by_name(server: Server) -> None:
    server.answer = (
        200,
        {"Content-Type": "application/json", "x-Amzn-Invoked-Production-Variant": "green"},
        b'{"predictions": [1]}',
    )
    told = sagemaker(server, "--target-variant", "green", "--custom-attributes", "a=b")
    assert told.exit_code == 0, told.output
    assert "--data from green: " in told.output
    path, headers, _ = server.asked[0]
    assert path == "/endpoints/iris/invocations"
    assert headers["X-Amzn-SageMaker-Target-Variant"] == "green"


def _refusal(code: str, status: int, **rest: Any) -> tuple[int, dict[str, str], bytes]:
    body = json.dumps(rest).encode()
    return status, {"x-amzn-ErrorType": code, "Content-Type": "application/json"}, body


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            _refusal("ValidationError", 400, Message="Endpoint iris of account 1 not found."),
            "no endpoint iris in eu-central-1",
        ),
        (
            _refusal(
                "ModelError", 424, Message="Received server error (500) from primary",
                OriginalStatusCode=500, OriginalMessage='{"error": "no such column"}',
            ),
            'answered 500 to --data: {"error": "no such column"}',
        ),
        (
            _refusal("ModelNotReadyException", 429, Message="still loading"),
            "ModelNotReadyException: still loading",
        ),
        (_refusal("ValidationError", 413, Message="too large"), "3 bytes, which is too large"),
    ],
)  # fmt: skip
def test_what_sagemaker_refuses_is_one_clear_line(
    server: Server, answer: tuple[int, dict[str, str], bytes], expected: str
) -> None:
    server.answer = answer
    told = sagemaker(server)
    assert told.exit_code == 1
    assert expected in told.output
    assert told.output.count("\n") == 1
    assert len(server.asked) == 1, "a refusal is not asked for twice"


def test_what_a_server_refuses_is_one_clear_line(server: Server) -> None:
    server.answer = (400, {}, b'{"error": "expected float"}')
    assert (
        'answered 400 to --data: {"error": "expected float"}'
        in run("--url", server.url, "--data", "1").output
    )
    server.answer = (413, {}, b"")
    told = run("--url", server.url, "--data", "1")
    assert (told.exit_code, "too large" in told.output) == (1, True)


def test_nobody_there_is_said(server: Server) -> None:
    server.http.socket.close()
    told = run("--url", "http://127.0.0.1:1", "--data", "1")
    assert (told.exit_code, "nothing answers at" in told.output) == (1, True)
    told = run("--endpoint-name", "iris", "--endpoint-url", "http://127.0.0.1:1", "--data", "1")
    assert (told.exit_code, "cannot be reached" in told.output) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--data", "1"), "one of --endpoint-name"),
        (("--url", "http://x", "--endpoint-name", "y", "--data", "1"), "one of --endpoint-name"),
        (("--url", "http://x", "--region", "y", "--data", "1"), "go with --endpoint-name"),
        (("--url", "http://x"), "nothing to send"),
        (("--url", "x", "--data", "1"), "is no address"),
        (("--url", "http://x", "--data", "{"), "no JSON"),
        (("--url", "http://x", "--picture", "nowhere.png"), "no such picture"),
        (("--url", "http://x", "--picture", ".", "--size", "84"), "expected WIDTHxHEIGHT"),
        (("--url", "http://x", "--picture", ".", "--size", "0x84"), "from 1 to"),
    ],
)
def test_wrong_usage_is_one_clear_line(arguments: tuple[str, ...], expected: str) -> None:
    told = run(*arguments)
    assert told.exit_code == 2
    assert expected in told.output


@pytest.mark.parametrize(
    ("answer", "code", "expected"),
    [
        ('{"predictions": [{"a": 0.5000004, "b": "x"}]}', 0, "differs by 4.0e-07"),
        ('{"predictions": [{"a": 0.51, "b": "x"}]}', 1, "differs from"),
        ('{"predictions": [{"a": NaN, "b": "x"}]}', 1, "differs from"),
        ('{"predictions": [{"a": 0.5, "b": "y"}]}', 1, "answer.predictions[0].b is 'y'"),
        ('{"predictions": [{"a": 0.5}]}', 1, "answer.predictions[0] is"),
        ('{"predictions": []}', 1, "answer.predictions is []"),
    ],
)
def test_an_answer_is_compared_with_what_was_expected(
    server: Server, tmp_path: Path, answer: str, code: int, expected: str
) -> None:
    file = tmp_path / "expected.json"
    file.write_text('{"predictions": [{"a": 0.5, "b": "x"}]}')
    server.answer = (200, {}, answer.encode())
    told = run("--url", server.url, "--data", "1", "--expected", file)
    assert told.exit_code == code
    assert expected in told.output


def test_numbers_that_are_none_are_the_same_and_no_others_are() -> None:
    nan, infinity = float("nan"), float("inf")
    assert largest_difference([nan, infinity, 1], [nan, infinity, 1.0]) == 0
    for one, other in ((nan, 1.0), (infinity, -infinity), (infinity, 1.0)):
        assert largest_difference(one, other) == infinity
    with pytest.raises(VerifyError):
        largest_difference(1, True)  # noqa: FBT003 - JSON has both


def test_classes_are_printed_by_the_names_of_a_file(server: Server, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("setosa\nversicolor\n", encoding="utf-8")
    predictions = [
        {"classes": 1, "probabilities": [0.1, 0.9]},
        {"classes": 0, "probabilities": [0.75, 0.25]},
    ] * 6
    server.answer = (200, {}, json.dumps({"predictions": predictions}).encode())
    result = run("--url", server.url, "--data", "{}", "--labels", labels)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[1:3] == ["  1  versicolor  0.900", "  2  setosa  0.750"]
    assert lines[11] == "  … and 2 more; in all: 6 versicolor, 6 setosa"


@pytest.mark.parametrize("answer", [{}, [], {"predictions": [{"classes": 7}]}, {"predictions": 1}])
def test_what_is_no_answer_of_a_classifier_has_no_names(answer: Any) -> None:
    assert named_classes(answer, {0: "setosa"}) == []


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A port that is taken and refuses connections until somebody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        yield found


def test_it_waits_for_a_server_that_starts_later(silent: socket.socket) -> None:
    timer = threading.Timer(0.5, silent.listen)
    timer.start()
    wait_for(f"http://127.0.0.1:{silent.getsockname()[1]}", 60)
    timer.join()


def test_a_server_that_never_answers_is_one_error(silent: socket.socket) -> None:
    port = silent.getsockname()[1]
    result = run("--url", f"http://127.0.0.1:{port}", "--data", "[1]", "--wait", "0.1")
    assert result.exit_code == 1
    assert f"nothing answered at 127.0.0.1:{port} within 0.1 s" in result.output
