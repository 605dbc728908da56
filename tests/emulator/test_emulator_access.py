"""The services accept only clients with a key, and reject web pages and other users."""

import asyncio
import base64
import contextlib
import datetime as dt
import http.client
import io
import json
import stat
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import botocore.auth
import botocore.crt.auth
import pytest
from botocore import UNSIGNED
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.device.browser import CHROMIUM, browsing
from tests.emulator.running_emulator import (
    ACCOUNT,
    FUNCTIONS_ROLE,
    REGION,
    Command,
    Emulator,
    create_role,
    publish_function,
)

pytestmark = pytest.mark.emulator

SERVICES = ["sts", "s3", "lambda", "logs", "greengrassv2"]


def connect(aws: Emulator, service: str, **more: Any) -> Any:
    keys = {"aws_access_key_id": ACCOUNT, "aws_secret_access_key": aws.secret(), **more}
    made: Any = boto3.client
    return made(service, endpoint_url=aws.endpoint["endpoint_url"], region_name=REGION, **keys)


def ask(client: Any) -> Any:
    """Call a read operation of the client's service; return the response."""
    operations = {
        "sts": "get_caller_identity", "s3": "list_buckets", "lambda": "list_functions",
        "logs": "describe_log_groups", "greengrassv2": "list_components",
    }  # fmt: skip
    return getattr(client, operations[client.meta.service_model.service_name])()


def error(client: Any) -> str:
    with pytest.raises(ClientError) as caught:
        ask(client)
    return str(caught.value.response["Error"]["Code"])


def errors(aws: Emulator, **more: Any) -> list[str]:
    return [error(connect(aws, service, **more)) for service in SERVICES]


def exchange(
    aws: Emulator, method: str, path: str, headers: dict[str, str], body: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    """Send a request unchanged; return the status, the headers with lowercase names, and the body.

    If `headers` contains no `Host`, the request has the emulator's host.
    """
    connection = http.client.HTTPConnection(aws.endpoint["endpoint_url"].removeprefix("http://"))
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    found = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    connection.close()
    return found


def signed(aws: Emulator, request: AWSRequest, service: str = "lambda") -> dict[str, str]:
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(Credentials(ACCOUNT, aws.secret()), service, REGION).add_auth(request)
    return dict(request.headers.items())


def status(aws: Emulator, url: str, method: str = "GET") -> int:
    return exchange(aws, method, url.removeprefix(aws.endpoint["endpoint_url"]), {})[0]


def sign_at(time: dt.datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the clocks of botocore's signers in Python and in C."""
    for module in (botocore.auth, botocore.crt.auth):
        monkeypatch.setattr(module, "get_current_datetime", lambda **_: time)


def test_the_account_s_secret_opens_every_protocol(aws: Emulator) -> None:
    for service in SERVICES:
        ask(connect(aws, service))


def test_a_wrong_secret_is_the_error_that_each_protocol_has_for_it(aws: Emulator) -> None:
    of_json = "InvalidSignatureException"
    of_xml = "SignatureDoesNotMatch"
    expected = [of_xml, of_xml, of_json, of_json, of_json]
    assert errors(aws, aws_secret_access_key="local") == expected
    other = aws.secret("222222222222")
    assert errors(aws, aws_secret_access_key=other) == expected


def test_no_signature_and_an_unknown_key_are_the_errors_of_each_protocol(aws: Emulator) -> None:
    missing = errors(aws, config=Config(signature_version=UNSIGNED))
    of_json = "MissingAuthenticationTokenException"
    assert missing == ["MissingAuthenticationToken", "AccessDenied", of_json, of_json, of_json]
    unknown = errors(aws, aws_access_key_id="AKIAIOSFODNN7EXAMPLE")
    of_json = "UnrecognizedClientException"
    assert unknown == ["InvalidClientTokenId", "InvalidAccessKeyId", of_json, of_json, of_json]


def test_a_clock_that_is_an_hour_late_is_reported(
    aws: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    sign_at(late, monkeypatch)
    of_json = "InvalidSignatureException"
    expected = ["SignatureDoesNotMatch", "RequestTimeTooSkewed", of_json, of_json, of_json]
    assert errors(aws) == expected


def test_sessions_work_with_their_token_alone(aws: Emulator, unique: str) -> None:
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    role = {"RoleArn": create_role(aws, unique, everything), "RoleSessionName": "test"}
    given = connect(aws, "sts").assume_role(**role)["Credentials"]
    keys = {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
    }
    for service in SERVICES:
        ask(connect(aws, service, **keys, aws_session_token=given["SessionToken"]))
    of_json = "UnrecognizedClientException"
    expected = ["InvalidClientTokenId", "InvalidToken", of_json, of_json, of_json]
    assert errors(aws, **keys) == expected
    assert errors(aws, **keys, aws_session_token="other") == expected


def test_a_function_calls_as_a_session_of_its_execution_role(aws: Emulator) -> None:
    source = (
        "import boto3, os\n"
        "def handle(event, context):\n"
        "    return [boto3.client('sts').get_caller_identity()['Arn'],"
        " os.environ['AWS_ACCESS_KEY_ID'][:4]]\n"
    )
    arn = publish_function(aws, source)
    answer = connect(aws, "lambda").invoke(FunctionName=arn)
    name = arn.split(":")[6]
    assert json.loads(answer["Payload"].read()) == [
        f"arn:aws:sts::{ACCOUNT}:assumed-role/{FUNCTIONS_ROLE}/{name}", "ASIA",
    ]  # fmt: skip


@pytest.fixture
def presigning(aws: Emulator) -> Any:
    return connect(aws, "s3", config=Config(signature_version="s3v4"))


def test_presigned_urls_hold_for_their_time_and_their_object(
    aws: Emulator, presigning: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("a b+c", "secret"):
        presigning.put_object(Bucket=bucket, Key=key, Body=b"content")
    place = {"Bucket": bucket, "Key": "a b+c"}
    url = presigning.generate_presigned_url("get_object", Params=place, ExpiresIn=600)
    put = presigning.generate_presigned_url("put_object", Params=place, ExpiresIn=600)
    assert (status(aws, url), status(aws, put, "PUT")) == (200, 200)
    assert status(aws, url.replace("a%20b%2Bc", "secret")) == 403
    assert status(aws, url.replace("Expires=600", "Expires=60000")) == 403
    assert status(aws, put) == 403
    late = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=11)
    sign_at(late, monkeypatch)
    assert status(aws, presigning.generate_presigned_url("get_object", place, 600)) == 403


def test_the_bodies_that_sdks_leave_unsigned_are_stored(aws: Emulator, bucket: str) -> None:
    """Stores bodies that SDKs do not sign.

    The SDK for JavaScript, which the CDK CLI uses, sends a stream with a trailer.
    """
    path = f"/{bucket}/streamed"
    made = AWSRequest(
        "PUT", aws.endpoint["endpoint_url"] + path,
        {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": "5",
         "x-amz-trailer": "x-amz-checksum-crc32"},
    )  # fmt: skip
    made.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
    headers = signed(aws, made, "s3")
    assert headers["X-Amz-Content-SHA256"] == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"
    assert exchange(aws, "PUT", path, headers, body)[0] == 200
    s3 = connect(aws, "s3")
    assert s3.get_object(Bucket=bucket, Key="streamed")["Body"].read() == b"hello"
    unsigned = connect(aws, "s3", config=Config(s3={"payload_signing_enabled": False}))
    unsigned.put_object(Bucket=bucket, Key="plain", Body=b"hello")
    s3.upload_fileobj(io.BytesIO(b"x" * (9 << 20)), bucket, "large")
    assert s3.head_object(Bucket=bucket, Key="large")["ContentLength"] == 9 << 20


def test_a_body_that_was_changed_is_refused(aws: Emulator, bucket: str) -> None:
    url = aws.endpoint["endpoint_url"]
    made = AWSRequest("POST", url + "/2015-03-31/functions", {}, b"{}")
    answer = exchange(aws, "POST", "/2015-03-31/functions", signed(aws, made), b"[]")
    assert (answer[0], answer[1]["x-amzn-errortype"]) == (403, "InvalidSignatureException")
    made = AWSRequest("PUT", f"{url}/{bucket}/key", {}, b"one")
    answer = exchange(aws, "PUT", f"/{bucket}/key", signed(aws, made, "s3"), b"two")
    assert (answer[0], b"XAmzContentSHA256Mismatch" in answer[2]) == (400, True)
    assert "Contents" not in connect(aws, "s3").list_objects_v2(Bucket=bucket)


def test_a_rebound_host_is_refused_and_a_bucket_s_is_not(aws: Emulator, bucket: str) -> None:
    connect(aws, "s3").put_object(Bucket=bucket, Key="key", Body=b"content")
    port = aws.endpoint["endpoint_url"].rpartition(":")[2]

    def get(host: str) -> tuple[int, bytes]:
        made = AWSRequest("GET", f"http://{host}/key", {"Host": host})
        answer = exchange(aws, "GET", "/key", signed(aws, made, "s3"))
        return answer[0], answer[2]

    assert get(f"{bucket}.localhost:{port}") == (200, b"content")
    for host in (f"evil.example:{port}", f"other.localhost:{port}", "127.0.0.1:80"):
        code, body = get(host)
        assert (code, b"<Code>AccessDenied</Code>" in body) == (403, True)


def test_no_answer_has_a_cors_header_and_nobody_resets(aws: Emulator, bucket: str) -> None:
    url = aws.endpoint["endpoint_url"]
    for method, path in (
        ("POST", "/_ministack/reset"), ("GET", "/_ministack/health"), ("GET", "/health"),
        ("POST", "/%5Fministack/reset"), ("POST", "/_ministack/config"),
    ):  # fmt: skip
        for headers in ({}, signed(aws, AWSRequest(method, url + path))):
            answer = exchange(aws, method, path, headers)
            assert answer[0] == 403, (method, path, headers, answer)
    assert exchange(aws, "OPTIONS", "/", {})[0] == 403
    answer = exchange(aws, "GET", "/", signed(aws, AWSRequest("GET", url + "/"), "s3"))
    assert answer[0] == 200
    assert not [name for name in answer[1] if name.startswith("access-control")]
    assert bucket in [bucket_["Name"] for bucket_ in connect(aws, "s3").list_buckets()["Buckets"]]


def test_nested_json_and_yaml_bombs_are_refused_in_one_line(aws: Emulator) -> None:
    log = aws.command.state / "server.log"
    lines = len(log.read_text().splitlines())
    body = b'{"a":' * 100_000
    path = "/greengrass/v2/components"
    made = AWSRequest("POST", aws.endpoint["endpoint_url"] + path, {}, body)
    answer = exchange(aws, "POST", path, signed(aws, made, "greengrass"), body)
    assert (answer[0], answer[1]["x-amzn-errortype"]) == (400, "SerializationException")
    cloudformation = connect(aws, "cloudformation")
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(ClientError, match="YAML aliases are not allowed"):
        cloudformation.validate_template(TemplateBody=bomb + "Resources: *i\n")
    with pytest.raises(ClientError, match="Template format error"):
        cloudformation.validate_template(TemplateBody="[" * 5_000)
    added = log.read_text().splitlines()[lines:]
    assert not [line for line in added if "Traceback" in line]
    assert len([line for line in added if "rejected" in line]) == 1


def modes(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in (folder, *folder.rglob("*"))
        if stat.S_IMODE(path.lstat().st_mode) & 0o077
    }


def test_the_state_is_private_and_an_older_one_becomes_it(command: Command) -> None:
    (command.state / "state").mkdir(parents=True, mode=0o755)
    (command.state / "state" / "old").mkdir()
    (command.state / "state" / "old" / "key.pem").write_text("key")
    (command.state / "clean").touch()
    assert command("up").returncode == 0
    aws = Emulator(command, command.endpoint())
    aws.client("s3").create_bucket(
        Bucket="private", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    aws.client("s3").put_object(Bucket="private", Key="key", Body=b"content")
    assert modes(command.state) == set()
    first = command.endpoint()["root_key"]
    command("down")
    assert modes(command.state) == set()
    assert (command.state / "state" / "iot.json").exists()
    assert command("up").returncode == 0
    assert command.endpoint()["root_key"] != first
    assert "root_key" not in command("status", "--json").stdout


PAGE = """<!doctype html><title>evil</title><script>
const target = %(target)s, results = {};
async function attempt(name, path, options) {
  try {
    const answer = await fetch(target + path, options);
    results[name] = answer.type === "opaque" ? "opaque" : answer.status;
  } catch (error) { results[name] = "blocked"; }
}
async function run() {
  const plain = {"Content-Type": "text/plain"};
  const body = %(function)s;
  await attempt("function", "/2015-03-31/functions",
    {method: "POST", mode: "no-cors", headers: plain, body});
  await attempt("readable", "/2015-03-31/functions", {method: "POST", headers: plain, body});
  await attempt("reset", "/_ministack/reset", {method: "POST", mode: "no-cors"});
  await attempt("read", "/%(bucket)s/key", {});
  await attempt("object", "/%(bucket)s/key", {mode: "no-cors"});
  await attempt("write", "/%(bucket)s/page", {method: "POST", mode: "no-cors", body: "page"});
  await attempt("preflight", "/%(bucket)s/page", {method: "PUT", body: "page"});
  await attempt("cookies", "/%(bucket)s/key", {credentials: "include", mode: "no-cors"});
  await new Promise((resolve) => {
    const frame = document.createElement("iframe");
    frame.name = "frame";
    document.body.append(frame);
    const form = document.createElement("form");
    Object.assign(form, {method: "POST", target: "frame",
      enctype: "application/x-www-form-urlencoded", action: target + "/"});
    const field = document.createElement("input");
    Object.assign(field, {name: "Action", value: "CreateTopic"});
    const topic = document.createElement("input");
    Object.assign(topic, {name: "Name", value: "page"});
    form.append(field, topic);
    document.body.append(form);
    frame.onload = resolve;
    form.submit();
  });
  window.results = results;
}
addEventListener("load", run);
</script><body></body>"""


@contextlib.contextmanager
def page(content: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *_: object) -> None:
            """Suppress the log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_web_page_reaches_nothing(aws: Emulator, bucket: str, tmp_path: Path) -> None:
    connect(aws, "s3").put_object(Bucket=bucket, Key="key", Body=b"content")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("handler.py", "def handle(event, context): ...")
    function = {
        "FunctionName": "page", "Runtime": "python3.12", "Handler": "handler.handle",
        "Role": f"arn:aws:iam::{ACCOUNT}:role/any",
        "Code": {"ZipFile": base64.b64encode(archive.getvalue()).decode()},
    }  # fmt: skip
    content = PAGE % {
        "target": json.dumps(aws.endpoint["endpoint_url"]),
        "function": json.dumps(json.dumps(function)),
        "bucket": bucket,
    }

    async def visit() -> dict[str, Any]:
        with page(content) as address:
            async with browsing(address, tmp_path / "profile") as tab:
                return dict(await _results(tab))

    results = asyncio.run(visit())
    # "opaque" means that the request was sent, but the page cannot read the response. The
    # assertions below check the effect.
    assert results == {
        "function": "opaque", "readable": "blocked", "reset": "opaque", "read": "blocked",
        "object": "opaque", "write": "opaque", "preflight": "blocked", "cookies": "opaque",
    }  # fmt: skip
    names = [
        function["FunctionName"]
        for function in connect(aws, "lambda").list_functions()["Functions"]
    ]
    assert "page" not in names
    listed = connect(aws, "s3").list_objects_v2(Bucket=bucket)["Contents"]
    assert [object_["Key"] for object_ in listed] == ["key"]
    topics = connect(aws, "sns").list_topics()["Topics"]
    assert not [topic for topic in topics if topic["TopicArn"].endswith(":page")]
    log = (aws.command.state / "server.log").read_text()
    assert log.count("(CROSS_ORIGIN)") >= 6


async def _results(tab: Any) -> Any:
    await tab.until("window.results !== undefined")
    return json.loads(await tab.value("JSON.stringify(window.results)"))
