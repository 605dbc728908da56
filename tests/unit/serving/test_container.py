"""SageMaker's container responds after a start by the emulator's command."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from model_tools.errors import ServingError
from model_tools.serving.http_server import Listener, serve
from model_tools.serving.http_types import RequestError, json_response
from model_tools.serving.sagemaker_api import json_of_csv, serving_json
from tests.unit.serving.conftest import ROOT, Server, Start, json_of

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore")]

HANDLERS = """
import json, os

print("this is not an address")

def input_handler(data, context):
    if context.request_content_type == "application/x-image":
        return json.dumps({"instances": [float(byte) for byte in data.read()]})
    if context.request_content_type == "text/plain":
        raise ValueError("text is not for " + os.environ["WHO"])
    return data.read().decode()

def output_handler(response, context):
    if response.status_code != 200:
        raise ValueError(response.json()["error"])
    result = {"values": response.json()["predictions"], "method": context.method,
            "version": context.model_version, "attributes": context.custom_attributes}
    return json.dumps(result), context.accept_header
"""

HANDLER = """
import time

def handler(data, context):
    text = data.read().decode()
    if text == "slow":
        time.sleep(3600)
    return f"{text} {context.content_length} {context.rest_uri.partition('/v1')[2]}", "text/plain"
"""


@pytest.fixture(scope="module")
def archives(
    example_models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    from tests.unit.serving.models import archive  # noqa: PLC0415 - the import loads TensorFlow

    folder = tmp_path_factory.mktemp("archives")
    two, three = (example_models[name] / "123" for name in ("half_plus_two", "half_plus_three"))
    servo = {"export/Servo/1": two, "export/Servo/2": three}
    return {
        "plain": archive({**servo, "other/7": two}, folder / "plain.tar.gz"),
        "handlers": archive(servo, folder / "handlers.tar.gz", HANDLERS),
        "handler": archive({"1": two}, folder / "handler.tar.gz", HANDLER),
        "raising": archive({"1": two}, folder / "raising.tar.gz", "1 / 0"),
        "lacking": archive({"1": two}, folder / "lacking.tar.gz", "import nowhere_to_be_found"),
        "half": archive({"1": two}, folder / "half.tar.gz", "def input_handler(a, b): pass"),
        "unnumbered": archive({"export": two}, folder / "unnumbered.tar.gz"),
        "empty": archive({}, folder / "empty.tar.gz"),
        "cut": _cut(archive({"1": two}, folder / "cut.tar.gz")),
    }


def _cut(archive: Path) -> Path:
    archive.write_bytes(archive.read_bytes()[:-200])
    return archive


@pytest.fixture(scope="module")
def plain(start: Start, archives: dict[str, Path]) -> Server:
    return start("serve-container", "--model-data", archives["plain"], "--port", 0)


def invoke(
    server: Server, body: str | bytes, content_type: str = "application/json", **headers: str
) -> requests.Response:
    given = {"Content-Type": content_type} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return requests.post(f"{server.url}/invocations", data=body, headers=given, timeout=240)


def attributes(text: str) -> dict[str, str]:
    return {"X_Amzn_SageMaker_Custom_Attributes": text}


def test_it_listens_on_loopback_and_responds_to_pings(plain: Server) -> None:
    assert plain.url.startswith("http://127.0.0.1:")
    assert requests.get(f"{plain.url}/ping", timeout=240).status_code == 200


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json", '{"instances": [1.0, 2.0]}', [3.5, 4.0]),
        ("application/json; charset=utf-8", "[1.0, 2.0]", [[3.5, 4.0]]),
        ("application/json", "[[1.0], [2.0]]", [[3.5], [4.0]]),
        ("application/jsonlines", "[1.0]\n[2.0]\n", [[3.5], [4.0]]),
        ("application/jsonlines", '{"x": [1.0]}\n{"x": [2.0]}', [[3.5], [4.0]]),
        ("text/csv", "1.0\n2", [3.5, 4.0]),
        ("text/csv", "1.0,2\n3,4e0\n", [[3.5, 4.0], [4.5, 5.0]]),
    ],
)
def test_every_format_of_a_request_is_supported(
    plain: Server, content_type: str, body: str, expected: object
) -> None:
    assert json_of(invoke(plain, body, content_type)) == {"predictions": expected}


def test_custom_attributes_choose_model_version_and_method(plain: Server) -> None:
    body = '{"instances": [1.0]}'
    older = invoke(plain, body, **attributes("tfs-model-name=Servo,tfs-model-version=1"))
    assert json_of(older) == {"predictions": [2.5]}
    other = invoke(plain, body, **attributes("mine=1,tfs-model-name=other"))
    assert json_of(other) == {"predictions": [2.5]}
    body = '{"signature_name": "regress_x_to_y", "examples": [{"x": 1.0}]}'
    assert json_of(invoke(plain, body, **attributes("tfs-method=regress"))) == {"results": [3.5]}
    assert invoke(plain, body, **attributes("tfs-model-version=9")).status_code == 404


def test_errors_are_those_of_the_container(plain: Server) -> None:
    unknown = invoke(plain, b"\xff\xd8", "image/jpeg")
    assert unknown.status_code == 415
    assert unknown.json() == {"error": "Unsupported Media Type: image/jpeg"}
    assert invoke(plain, "[1.0,").status_code == 400
    assert invoke(plain, b"\xff", "text/csv").status_code == 400
    assert requests.get(f"{plain.url}/invocations", timeout=240).status_code == 405
    assert requests.get(f"{plain.url}/models", timeout=240).status_code == 404


def test_a_request_over_six_mebibytes_is_rejected(plain: Server) -> None:
    assert invoke(plain, b" " * (6 << 20)).status_code == 400
    large = invoke(plain, b" " * ((6 << 20) + 1))
    assert large.status_code == 413
    assert "6291456" in large.json()["error"]


def test_the_response_has_the_accepted_type(plain: Server) -> None:
    answer = invoke(plain, "[1.0]", Accept="application/jsonlines")
    assert answer.headers["Content-Type"] == "application/jsonlines"


def test_handlers_of_inference_py_are_run(start: Start, archives: dict[str, Path]) -> None:
    server = start(
        "serve-container", "--model-data", archives["handlers"], "--port", 0,
        "--environment", "WHO=this model",
    )  # fmt: skip
    answer = invoke(
        server, b"\x01\x02", "application/x-image", Accept="application/x-result",
        **attributes("tfs-model-version=1,mine=2"),
    )  # fmt: skip
    assert answer.headers["Content-Type"] == "application/x-result"
    assert json_of(answer) == {
        "values": [2.5, 3.0],
        "method": None,
        "version": "1",
        "attributes": "tfs-model-version=1,mine=2",
    }
    rejected = invoke(server, "hello", "text/plain")
    assert (rejected.status_code, rejected.json()) == (500, {"error": "text is not for this model"})
    assert "JSON Parse error" in invoke(server, "{").json()["error"]
    assert server.end() == 0


def test_a_single_handler_has_a_time_limit(start: Start, archives: dict[str, Path]) -> None:
    server = start(
        "serve-container", "--model-data", archives["handler"], "--port", 0,
        "--timeout-seconds", 5, "--max-payload-mib", 0.0001,
    )  # fmt: skip
    answer = invoke(server, "hello", "text/anything")
    assert (answer.status_code, answer.text) == (200, "hello 5 /models/model:predict")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert invoke(server, "x" * 105).status_code == 413
    slow = invoke(server, "slow")
    assert (slow.status_code, slow.json()) == (504, {"error": "no response within 5 seconds"})
    assert server.end() == 0, "the handler still sleeps"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("raising", "code/inference.py: ZeroDivisionError: division by zero"),
        ("lacking", "nowhere_to_be_found"),
        ("half", "both input_handler"),
        ("unnumbered", "host-package"),
        ("empty", "contains no SavedModel"),
        ("cut", "archive-format"),
        ("none", "no such file"),
    ],
)
def test_an_archive_that_cannot_be_served_ends_with_one_line(
    archives: dict[str, Path], name: str, expected: str
) -> None:
    archive = archives.get(name, Path("none.tar.gz"))
    ended = _ended("--model-data", archive, "--port", 0)
    assert ended.returncode in {1, 2}
    assert ended.stdout == ""
    assert ended.stderr.startswith("Error: ")
    assert ended.stderr.count("\n") == 1
    assert expected in ended.stderr


def test_the_error_of_a_port_in_use_contains_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServingError, match=f"127.0.0.1:{port}: Address already in use"):
            serve([Listener(lambda *_: json_response({}), port)], lambda _: None)


def _ended(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "model_tools", "serve-container", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_json_becomes_serving_json() -> None:
    assert serving_json('{"inputs": 1}') == '{"inputs": 1}'
    assert serving_json("5") == '{"instances":[5]}'
    assert serving_json('{"a": 1}') == '{"instances":[{"a": 1}]}'
    assert serving_json('{"a": 1}\n{"a": 2}') == '{"instances":[{"a": 1},{"a": 2}]}'
    assert serving_json("[[1], [2]]") == '{"instances":[[1], [2]]}'


def test_csv_cells_that_are_not_numbers_are_strings() -> None:
    expected = '{"instances": [["a, \\"b\\"", 1000.0], ["c", 0.5]]}'
    assert json_of_csv('"a, ""b""",1e3\n\nc,.5\n') == expected
    with pytest.raises(RequestError, match="too large for a double"):
        json_of_csv("1e400\n")
