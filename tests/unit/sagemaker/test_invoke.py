"""`deeplens model invoke` calls servers that respond, return errors, or do not exist."""

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
from model_tools.sagemaker.invoke import wait_for
from model_tools.sagemaker.json_diff import largest_difference


class Server:
    """A server that sends the given response, and records requests."""

    def __init__(self) -> None:
        self.response: tuple[int, dict[str, str], bytes] = (200, {}, b"{}")
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.requests.append((self.path, dict(self.headers), body))
                status, headers, content = owner.response
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever)
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, ["invoke", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def sagemaker(server: Server, *arguments: object) -> Result:
    return run("--endpoint-name", "iris", "--endpoint-url", server.url, "--data", "[1]", *arguments)


def test_requests_are_sent_to_the_servers_path(server: Server) -> None:
    for url, path in (
        ("", "/invocations"),
        ("/", "/invocations"),
        ("/v1/models/iris", "/v1/models/iris:predict"),
        ("/v1/models/iris/versions/2:classify", "/v1/models/iris/versions/2:classify"),
    ):
        assert run("--url", server.url + url, "--data", "[1]").exit_code == 0
        assert server.requests[-1][0] == path


def test_every_round_is_timed_and_the_response_is_printed(server: Server) -> None:
    server.response = (200, {"Content-Type": "application/json"}, b'{"predictions": [0.5]}')
    result = run(
        "--url", server.url, "--data", '{"instances": [1]}', "--rounds", 5, "--json",
        "--custom-attributes", "tfs-model-version=2",
    )  # fmt: skip
    (document,) = json.loads(result.output)
    assert document["answer"] == {"predictions": [0.5]}
    assert len(document["milliseconds"]) == len(server.requests) == 5
    assert document["median_ms"] == sorted(document["milliseconds"])[2]
    _, headers, body = server.requests[0]
    assert body == b'{"instances": [1]}'
    assert headers["X-Amzn-SageMaker-Custom-Attributes"] == "tfs-model-version=2"
    assert "ms (once)" in run("--url", server.url, "--data", "1").output


def test_images_are_sent_unchanged_or_as_numbers(server: Server, tmp_path: Path) -> None:
    for number, suffix in enumerate(("png", "jpg", "bmp")):
        Image.new("RGB", (6, 4), (128, 0, 255)).save(tmp_path / f"{number}.{suffix}")
    assert run("--url", server.url, "--picture", tmp_path).exit_code == 0
    sent = [headers["Content-Type"] for _, headers, _ in server.requests]
    assert sent == ["image/png", "image/jpeg", "application/x-image"]
    assert server.requests[0][2] == (tmp_path / "0.png").read_bytes()
    run(
        "--url", server.url, "--picture", tmp_path / "0.png", "--size", "3x2", "--mean", 128,
        "--scale", 0.5,
    )  # fmt: skip
    _, headers, body = server.requests[-1]
    values = np.array(json.loads(body)["instances"])
    assert headers["Content-Type"] == "application/json"
    assert values.shape == (1, 2, 3, 3)
    assert values[0, 0, 0].tolist() == [0, -64, 63.5]


def test_sagemakers_endpoint_is_selected_by_name(server: Server) -> None:
    server.response = (
        200,
        {"Content-Type": "application/json", "x-Amzn-Invoked-Production-Variant": "green"},
        b'{"predictions": [1]}',
    )
    result = sagemaker(server, "--target-variant", "green", "--custom-attributes", "a=b")
    assert result.exit_code == 0, result.output
    assert "--data from green: " in result.output
    path, headers, _ = server.requests[0]
    assert path == "/endpoints/iris/invocations"
    assert headers["X-Amzn-SageMaker-Target-Variant"] == "green"


def _error(code: str, status: int, **rest: Any) -> tuple[int, dict[str, str], bytes]:
    body = json.dumps(rest).encode()
    return status, {"x-amzn-ErrorType": code, "Content-Type": "application/json"}, body


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            _error("ValidationError", 400, Message="Endpoint iris of account 1 not found."),
            "no endpoint iris in eu-central-1",
        ),
        (
            _error(
                "ModelError", 424, Message="Received server error (500) from primary",
                OriginalStatusCode=500, OriginalMessage='{"error": "no such column"}',
            ),
            'returned 500 for --data: {"error": "no such column"}',
        ),
        (
            _error("ModelNotReadyException", 429, Message="still loading"),
            "ModelNotReadyException: still loading",
        ),
        (_error("ValidationError", 413, Message="too large"), "3 bytes, which is too large"),
    ],
)  # fmt: skip
def test_an_error_of_sagemaker_is_one_line(
    server: Server, answer: tuple[int, dict[str, str], bytes], expected: str
) -> None:
    server.response = answer
    result = sagemaker(server)
    assert result.exit_code == 1
    assert expected in result.output
    assert result.output.count("\n") == 1
    assert len(server.requests) == 1, "a request that failed is not sent again"


def test_an_error_of_a_server_is_one_line(server: Server) -> None:
    server.response = (400, {}, b'{"error": "expected float"}')
    assert (
        'returned 400 for --data: {"error": "expected float"}'
        in run("--url", server.url, "--data", "1").output
    )
    server.response = (413, {}, b"")
    result = run("--url", server.url, "--data", "1")
    assert (result.exit_code, "too large" in result.output) == (1, True)


def test_a_server_that_does_not_exist_is_an_error(server: Server) -> None:
    server.http.socket.close()
    result = run("--url", "http://127.0.0.1:1", "--data", "1")
    assert (result.exit_code, "no server accepts connections at" in result.output) == (1, True)
    result = run("--endpoint-name", "iris", "--endpoint-url", "http://127.0.0.1:1", "--data", "1")
    assert (result.exit_code, "cannot be reached" in result.output) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--data", "1"), "one of --endpoint-name"),
        (("--url", "http://x", "--endpoint-name", "y", "--data", "1"), "one of --endpoint-name"),
        (("--url", "http://x", "--region", "y", "--data", "1"), "go with --endpoint-name"),
        (("--url", "http://x"), "nothing to send"),
        (("--url", "x", "--data", "1"), "is not a valid URL"),
        (("--url", "http://x", "--data", "{"), "not valid JSON"),
        (("--url", "http://x", "--picture", "nowhere.png"), "no such image"),
        (("--url", "http://x", "--picture", ".", "--size", "84"), "expected WIDTHxHEIGHT"),
        (("--url", "http://x", "--picture", ".", "--size", "0x84"), "from 1 to"),
    ],
)
def test_wrong_usage_is_an_error(arguments: tuple[str, ...], expected: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert expected in result.output


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
def test_a_response_is_compared_with_the_expected_one(
    server: Server, tmp_path: Path, answer: str, code: int, expected: str
) -> None:
    file = tmp_path / "expected.json"
    file.write_text('{"predictions": [{"a": 0.5, "b": "x"}]}')
    server.response = (200, {}, answer.encode())
    result = run("--url", server.url, "--data", "1", "--expected", file)
    assert result.exit_code == code
    assert expected in result.output


def test_nan_equals_only_nan_and_infinity_only_itself() -> None:
    nan, infinity = float("nan"), float("inf")
    assert largest_difference([nan, infinity, 1], [nan, infinity, 1.0]) == 0
    for first, second in ((nan, 1.0), (infinity, -infinity), (infinity, 1.0)):
        assert largest_difference(first, second) == infinity
    with pytest.raises(VerifyError):
        largest_difference(1, True)  # noqa: FBT003 - JSON contains numbers and booleans


def test_classes_are_printed_with_the_names_of_a_file(server: Server, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("setosa\nversicolor\n", encoding="utf-8")
    predictions = [
        {"classes": 1, "probabilities": [0.1, 0.9]},
        {"classes": 0, "probabilities": [0.75, 0.25]},
    ] * 6
    server.response = (200, {}, json.dumps({"predictions": predictions}).encode())
    result = run("--url", server.url, "--data", "{}", "--labels", labels)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[1:3] == ["  1  versicolor  0.900", "  2  setosa  0.750"]
    assert lines[11] == "  … and 2 more; in all: 6 versicolor, 6 setosa"


@pytest.mark.parametrize("answer", [{}, [], {"predictions": [{"classes": 7}]}, {"predictions": 1}])
def test_a_response_that_is_not_a_classifiers_has_no_names(answer: Any) -> None:
    assert named_classes(answer, {0: "setosa"}) == []


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A socket whose port refuses connections until the test listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


def test_it_waits_for_a_server_that_starts_later(silent: socket.socket) -> None:
    timer = threading.Timer(0.5, silent.listen)
    timer.start()
    wait_for(f"http://127.0.0.1:{silent.getsockname()[1]}", 60)
    timer.join()


def test_a_server_that_never_listens_is_one_error(silent: socket.socket) -> None:
    port = silent.getsockname()[1]
    result = run("--url", f"http://127.0.0.1:{port}", "--data", "[1]", "--wait", "0.1")
    assert result.exit_code == 1
    assert f"no server accepted a connection at 127.0.0.1:{port} within 0.1 s" in result.output
