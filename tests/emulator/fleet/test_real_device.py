"""A real device's requests to the emulator, sent by curl, awscrt and botocore.

The device has the files of `deeplens fleet provision`. Its requests have the names, paths and
bodies of nucleus lite. Port 443 and the fixed ports are mapped to other ports, because tests run in
parallel.
"""

import base64
import hashlib
import json
import queue
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import yaml
from awscrt import io, mqtt5
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography import x509

from testkit.waiting import HANG_SECONDS
from tests.emulator.fleet.conftest import create_devices_stack
from tests.emulator.fleet.forked_deeplens import Cli, make_cli
from tests.emulator.running_emulator import ACCOUNT, REGION, ROOT, Command, Emulator, recipe

pytestmark = pytest.mark.emulator

BUCKET = f"deeplens-dev-{ACCOUNT}-{REGION}"
S3_HOST = f"{BUCKET}.s3.{REGION}.amazonaws.com"
KEY = "components/shapes/0123/model.zip"
CONTENT = bytes(range(256)) * 4096
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkout")


@pytest.fixture(scope="module")
def aws(checkout: Path) -> Iterator[Emulator]:
    """An emulator that serves real devices."""
    command = Command(checkout / ".local" / "aws")
    ports = ",".join(str(port) for port in free_ports(3))
    started = command("up", f"--device-ports={ports}")
    assert started.returncode == 0, started.stdout + started.stderr
    assert f"emulator: real devices connect to localhost: ports {ports.split(',')[0]}" in (
        started.stdout
    )
    yield Emulator(command, command.endpoint())
    command("down")


@dataclass(frozen=True)
class RealDevice:
    """A device that sends requests by curl, with the files of `deeplens fleet provision`."""

    aws: Emulator
    folder: Path
    configuration: dict[str, str]

    @property
    def thing(self) -> str:
        return self.folder.name

    @property
    def ca_file(self) -> Path:
        return self.folder / "AmazonRootCA1.pem"

    def curl(self, url: str, *words: str) -> tuple[int, bytes]:
        """Send a request; return the status and the body.

        The ports 8443 and 443 are mapped to the emulator's ports.
        """
        https, s3 = self.aws.endpoint["device_port"], self.aws.endpoint["s3_port"]
        answer = self.folder / "answer"
        answer.unlink(missing_ok=True)
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--cacert", self.ca_file, "--output", answer,
             "--write-out", "%{http_code}", "--connect-to", f":8443:127.0.0.1:{https}",
             "--connect-to", f":443:127.0.0.1:{s3}", *words, url],
            capture_output=True, text=True, check=False, timeout=HANG_SECONDS,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return int(done.stdout), answer.read_bytes() if answer.exists() else b""

    def curl_as_device(self, url: str, *words: str) -> tuple[int, Any]:
        """Send a request with the device's certificate; return the status and the JSON response."""
        status, body = self.curl(
            url, "--cert", str(self.folder / "device.pem.crt"),
            "--key", str(self.folder / "private.pem.key"), *words,
        )  # fmt: skip
        return status, json.loads(body)

    @property
    def data_plane(self) -> str:
        port = self.configuration["greengrassDataPlanePort"]
        return f"https://{self.configuration['iotDataEndpoint']}:{port}"

    def credentials(self) -> dict[str, str]:
        """Return temporary credentials of the role alias in exchange for the certificate."""
        endpoint, alias = (self.configuration[key] for key in ("iotCredEndpoint", "iotRoleAlias"))
        status, answer = self.curl_as_device(
            f"https://{endpoint}/role-aliases/{alias}/credentials",
            "--header", f"x-amzn-iot-thingname: {self.thing}",
        )  # fmt: skip
        assert status == 200, answer
        credentials: dict[str, str] = answer["credentials"]
        return credentials


@pytest.fixture(scope="module")
def devices_stack(aws: Emulator) -> None:
    """The Devices stack of dev in this module's emulator."""
    create_devices_stack(aws)


@pytest.fixture(scope="module")
def cli(aws: Emulator, devices_stack: None, checkout: Path) -> Cli:
    del devices_stack
    made = make_cli(aws, checkout)
    file = checkout / "environments/dev.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("[fleet]\n", '[fleet]\ncore_runtime = "lite"\n'), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def device(aws: Emulator, cli: Cli) -> RealDevice:
    _create_policies(aws)
    cli("provision", "dev", "cam-1", "--local")
    folder = cli.files("cam-1")
    # Nucleus lite reads every YAML scalar as a string.
    text = (folder / "config.yaml").read_text()
    document = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - creates strings only
    service = document["services"]["aws.greengrass.NucleusLite"]
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=CONTENT)
    s3.put_object(Bucket=BUCKET, Key="private", Body=b"not a component")
    return RealDevice(aws, folder, {**service["configuration"], **document["system"]})


def _create_policies(aws: Emulator) -> None:
    """Create the account's policies, including the permissions boundary of the devices' role."""
    client = aws.client("cloudformation")
    template = (ROOT / "policies/environment-account.yaml").read_text(encoding="utf-8")
    client.create_stack(
        StackName="DeepLensPolicies", TemplateBody=template, Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    client.get_waiter("stack_create_complete").wait(
        StackName="DeepLensPolicies", WaiterConfig={"Delay": 1}
    )


def signed(
    credentials: dict[str, str], path: str, method: str = "GET", **headers: str
) -> dict[str, str]:
    """Return the headers of a request to the bucket, signed by botocore."""
    request = AWSRequest(method, f"https://{S3_HOST}{path}", headers={**headers})
    S3SigV4Auth(
        Credentials(
            credentials["accessKeyId"], credentials["secretAccessKey"], credentials["sessionToken"]
        ),
        "s3",
        REGION,
    ).add_auth(request)
    return dict(request.headers.items())


class S3Connection(HTTPSConnection):
    """An HTTPS connection to the emulator that verifies the bucket's host name."""

    def __init__(self, device: RealDevice, host: str = S3_HOST) -> None:
        context = ssl.create_default_context(cafile=str(device.ca_file))
        super().__init__(host, context=context, timeout=HANG_SECONDS)
        self._port_of_s3 = device.aws.endpoint["s3_port"]
        self._tls = context

    def connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self._port_of_s3), self.timeout)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


def request_s3(
    device: RealDevice, headers: dict[str, str], path: str = f"/{KEY}", method: str = "GET"
) -> tuple[int, bytes]:
    connection = S3Connection(device)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_provision_writes_the_addresses_of_the_emulator(device: RealDevice) -> None:
    https = device.aws.endpoint["device_port"]
    assert device.configuration["iotDataEndpoint"] == "localhost"
    assert device.configuration["iotCredEndpoint"] == f"localhost:{https}"
    assert device.ca_file.read_text() == Path(device.aws.endpoint["ca_file"]).read_text()


def test_config_yaml_has_every_key_that_nucleus_lite_requires(device: RealDevice) -> None:
    required = {"certificateFilePath", "privateKeyPath", "rootCaPath", "rootPath", "thingName",
                "awsRegion", "iotCredEndpoint", "iotDataEndpoint", "iotRoleAlias",
                "greengrassDataPlanePort", "runWithDefault"}  # fmt: skip
    assert required <= set(device.configuration)
    assert len(device.configuration["iotCredEndpoint"]) <= 128


@needs_curl
def test_curl_carries_out_the_https_part_of_a_deployment(device: RealDevice) -> None:
    status, groups = device.curl_as_device(
        f"{device.data_plane}/greengrass/v2/coreDevices/{device.thing}/thingGroups"
    )
    assert status == 200
    assert [group["thingGroupName"] for group in groups["thingGroups"]] == ["deeplens-dev"]
    # Nucleus classic uses another host name for the data plane.
    classic = f"https://greengrass-ats.iot.{REGION}.amazonaws.com:8443/greengrass/v2/coreDevices"
    assert device.curl_as_device(f"{classic}/{device.thing}/thingGroups") == (200, groups)

    own = recipe("com.example.model", "1.2.3")
    device.aws.client("greengrassv2").create_component_version(inlineRecipe=json.dumps(own))
    candidates = {
        "componentCandidates": [
            {
                "componentName": "com.example.model",
                "versionRequirements": {"requirements": "1.2.3"},
            }
        ],
        "platform": {
            "name": "linux",
            "attributes": {
                "runtime": "aws_nucleus_lite", "os": "linux", "architecture": "amd64",
            },
        },
    }  # fmt: skip
    status, resolved = device.curl_as_device(
        f"{device.data_plane}/greengrass/v2/resolveComponentCandidates",
        "--header", "Content-type: application/json", "--data", json.dumps(candidates),
    )  # fmt: skip
    assert status == 200, resolved
    (version,) = resolved["resolvedComponentVersions"]
    assert version["componentVersion"] == "1.2.3"
    assert json.loads(base64.b64decode(version["recipe"]))["ComponentName"] == "com.example.model"

    credentials = device.credentials()
    status, content = device.curl(
        f"https://{S3_HOST}/{KEY}",
        "--aws-sigv4", f"aws:amz:{REGION}:s3",
        "--user", f"{credentials['accessKeyId']}:{credentials['secretAccessKey']}",
        "--header", f"x-amz-security-token: {credentials['sessionToken']}",
    )  # fmt: skip
    assert (status, content == CONTENT) == (200, True), content[:500]


@needs_curl
def test_botocore_signs_the_requests_of_the_classic_downloader(device: RealDevice) -> None:
    credentials = device.credentials()
    location = "/?location"
    status, body = request_s3(device, signed(credentials, location), location)
    assert (status, REGION in body.decode()) == (200, True), body
    assert request_s3(device, signed(credentials, f"/{KEY}", "HEAD"), method="HEAD") == (200, b"")
    part = signed(credentials, f"/{KEY}", Range="bytes=256-511")
    assert request_s3(device, part) == (206, CONTENT[256:512])


@needs_curl
def test_s3_authorizes_a_device_by_the_policies_of_its_role(device: RealDevice) -> None:
    status, body = request_s3(device, signed(device.credentials(), "/private"), "/private")
    assert status == 403
    assert b"is not authorized to perform: s3:GetObject" in body


@needs_curl
def test_s3_rejects_what_is_not_signed_for_it(device: RealDevice) -> None:
    status, body = request_s3(device, {})
    assert (status, b"The request is not signed" in body) == (403, True)
    wrong = {**device.credentials(), "secretAccessKey": "other"}
    status, body = request_s3(device, signed(wrong, f"/{KEY}"))
    assert (status, b"SignatureDoesNotMatch" in body) == (403, True)


def test_s3_names_the_valid_hosts_if_a_bucket_does_not_exist(device: RealDevice) -> None:
    connection = S3Connection(device, f"other.s3.{REGION}.amazonaws.com")
    connection.request("GET", "/key")
    body = connection.getresponse().read().decode()
    connection.close()
    assert "is not a host name of the emulator: expected BUCKET.s3.REGION.amazonaws.com of" in body


def test_the_port_of_s3_serves_nothing_else(device: RealDevice) -> None:
    root = Credentials(ACCOUNT, device.aws.secret())
    for service in ("iam", "greengrass"):
        request = AWSRequest("GET", f"https://{S3_HOST}/", headers={"host": S3_HOST})
        S3SigV4Auth(root, service, REGION).add_auth(request)
        status, body = request_s3(device, dict(request.headers.items()), "/")
        assert (status, b"This port serves S3 only" in body) == (403, True), body
    status, body = request_s3(device, {}, "/_ministack/cfn-response/0f3c", method="PUT")
    assert (status, b"is not an AWS API" in body) == (403, True), body


@pytest.mark.parametrize("port", ["mqtt_port", "device_port", "s3_port"])
def test_every_port_has_a_certificate_of_the_one_authority_for_its_names(
    device: RealDevice, port: str
) -> None:
    context = ssl.create_default_context(cafile=str(device.ca_file))
    context.load_cert_chain(device.folder / "device.pem.crt", device.folder / "private.pem.key")
    names = ["localhost", S3_HOST, f"greengrass-ats.iot.{REGION}.amazonaws.com"]
    for name in names:
        address = ("127.0.0.1", device.aws.endpoint[port])
        with socket.create_connection(address) as plain, context.wrap_socket(
            plain, server_hostname=name
        ) as tls:  # fmt: skip
            assert tls.version() in {"TLSv1.2", "TLSv1.3"}
    with (
        socket.create_connection(address) as plain,
        pytest.raises(ssl.SSLCertVerificationError, match="mismatch"),
    ):
        context.wrap_socket(plain, server_hostname="evil.example")


def test_the_certificate_is_for_no_other_services_of_aws(device: RealDevice) -> None:
    pem = ssl.get_server_certificate(("127.0.0.1", device.aws.endpoint["s3_port"]))
    certificate = x509.load_pem_x509_certificate(pem.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    aws_names = [
        name for name in names.get_values_for_type(x509.DNSName) if name.endswith(".amazonaws.com")
    ]
    assert len(aws_names) > 30
    expected = r"(\*\.s3(\.[a-z0-9-]+)?|greengrass-ats\.iot\.[a-z0-9-]+)\.amazonaws\.com"
    assert [name for name in aws_names if not re.fullmatch(expected, name)] == []


# An MQTT 5 CONNECT packet with the client id "a".
CONNECT = bytes.fromhex("100e00044d5154540502003c00000161")
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(("port", "message"), [("mqtt_port", CONNECT), ("device_port", GET)])
def test_a_client_without_a_certificate_gets_no_response(
    device: RealDevice, port: str, message: bytes
) -> None:
    context = ssl.create_default_context(cafile=str(device.ca_file))
    response = b""
    # In TLS 1.3, the client completes the handshake before the server rejects the client.
    with (
        suppress(OSError),
        socket.create_connection(("127.0.0.1", device.aws.endpoint[port])) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        tls.settimeout(HANG_SECONDS)
        tls.sendall(message)
        response = tls.recv(1)
    assert response == b""


class Mqtt5Client:
    """An MQTT 5 client of AWS' C libraries, connected to the emulator's MQTT port."""

    def __init__(self, device: RealDevice, client_id: str) -> None:
        tls = io.TlsContextOptions.create_client_with_mtls_from_path(
            str(device.folder / "device.pem.crt"), str(device.folder / "private.pem.key")
        )
        tls.override_default_trust_store_from_path(None, str(device.ca_file))
        tls.verify_peer = True
        host = device.configuration["iotDataEndpoint"]
        self.connected, self.stopped, self.rejected = Event(), Event(), Event()
        self._received: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.client = mqtt5.Client(
            mqtt5.ClientOptions(
                host_name=host,
                port=device.aws.endpoint["mqtt_port"],
                tls_ctx=io.ClientTlsContext(tls),
                connect_options=mqtt5.ConnectPacket(client_id=client_id),
                on_lifecycle_event_connection_success_fn=lambda _: self.connected.set(),
                on_lifecycle_event_connection_failure_fn=lambda _: self.rejected.set(),
                on_lifecycle_event_stopped_fn=lambda _: self.stopped.set(),
                on_publish_callback_fn=self._receive,
            )
        )
        self.client.start()

    def _receive(self, data: mqtt5.PublishReceivedData) -> None:
        packet = data.publish_packet
        self._received.put((packet.topic, json.loads(packet.payload)))

    def subscribe(self, topic_filter: str) -> None:
        subscription = mqtt5.Subscription(topic_filter, mqtt5.QoS.AT_LEAST_ONCE)
        subscribed = self.client.subscribe(mqtt5.SubscribePacket([subscription]))
        (granted,) = subscribed.result(HANG_SECONDS).reason_codes
        assert granted == mqtt5.SubackReasonCode.GRANTED_QOS_1

    def next_on(self, topic: str) -> Any:
        """Return the next message on a topic; drop earlier messages on other topics."""
        while True:
            message_topic, message = self._received.get(timeout=HANG_SECONDS)
            if message_topic == topic:
                return message

    def publish(self, topic: str, message: dict[str, Any]) -> None:
        packet = mqtt5.PublishPacket(
            topic=topic, payload=json.dumps(message), qos=mqtt5.QoS.AT_LEAST_ONCE
        )
        self.client.publish(packet).result(HANG_SECONDS)

    def close(self) -> None:
        self.client.stop()
        assert self.stopped.wait(HANG_SECONDS)


def test_mqtt_5_connects_by_host_name_and_the_device_reports_its_health(
    device: RealDevice,
) -> None:
    mqtt = Mqtt5Client(device, device.thing)
    try:
        assert mqtt.connected.wait(HANG_SECONDS)
        mqtt.subscribe(f"$aws/things/{device.thing}/jobs/notify-next-namespace-aws-gg-deployment")
        mqtt.publish(
            f"$aws/things/{device.thing}/greengrassv2/health/json",
            {
                "ggcVersion": "2.6.0", "platform": "linux", "architecture": "amd64",
                "runtime": "aws_nucleus_lite", "thing": device.thing, "sequenceNumber": 1,
                "timestamp": 1796083200000, "messageType": "COMPLETE",
                "trigger": "NUCLEUS_LAUNCH", "overallDeviceStatus": "HEALTHY",
                "components": [], "deploymentInformation": {},
            },
        )  # fmt: skip
    finally:
        mqtt.close()
    greengrass = device.aws.client("greengrassv2")
    core = greengrass.get_core_device(coreDeviceThingName=device.thing)
    assert (core["status"], core["coreVersion"]) == ("HEALTHY", "2.6.0")


@needs_curl
def test_a_device_takes_a_deployment_as_nucleus_lite_does(device: RealDevice) -> None:
    """A device receives the job by MQTT 5 and the component by HTTPS, and reports the result."""
    greengrass = device.aws.client("greengrassv2")
    with_artifact = recipe("com.example.camera", "1.0.0")
    with_artifact["Manifests"][0]["Artifacts"] = [{"Uri": f"s3://{BUCKET}/{KEY}"}]
    greengrass.create_component_version(inlineRecipe=json.dumps(with_artifact))
    made = greengrass.create_deployment(
        targetArn=f"arn:aws:iot:{REGION}:{ACCOUNT}:thinggroup/deeplens-dev",
        components={"com.example.camera": {"componentVersion": "1.0.0"}},
    )
    jobs, health = (f"$aws/things/{device.thing}/{end}" for end in ("jobs", "greengrassv2/health"))
    namespace = "namespace-aws-gg-deployment"
    mqtt = Mqtt5Client(device, device.thing)
    try:
        assert mqtt.connected.wait(HANG_SECONDS)
        mqtt.subscribe(f"{jobs}/notify-next-{namespace}")
        mqtt.subscribe(f"{jobs}/$next/{namespace}/get/+")
        mqtt.publish(
            f"{jobs}/$next/{namespace}/get",
            {
                "jobId": "$next", "thingName": device.thing, "includeJobDocument": True,
                "clientToken": "jobs-nucleus-lite",
            },
        )  # fmt: skip
        accepted = mqtt.next_on(f"{jobs}/$next/{namespace}/get/accepted")
        assert accepted["clientToken"] == "jobs-nucleus-lite"
        job, document = accepted["execution"]["jobId"], accepted["execution"]["jobDocument"]
        assert job == made["iotJobId"]
        mqtt.subscribe(f"{jobs}/{job}/{namespace}/update/accepted")

        def update(status: str) -> None:
            message = {"status": status, "clientToken": "jobs-nucleus-lite"}
            mqtt.publish(f"{jobs}/{job}/{namespace}/update", message)
            mqtt.next_on(f"{jobs}/{job}/{namespace}/update/accepted")

        update("IN_PROGRESS")
        version = document["components"]["com.example.camera"]["version"]
        body = {
            "componentCandidates": [
                {
                    "componentName": "com.example.camera",
                    "versionRequirements": {"requirements": version},
                }
            ],
            "platform": {"name": "linux", "attributes": {"os": "linux"}},
        }
        status, resolved = device.curl_as_device(
            f"{device.data_plane}/greengrass/v2/resolveComponentCandidates",
            "--header", "Content-type: application/json", "--data", json.dumps(body),
        )  # fmt: skip
        assert status == 200, resolved
        (resolved_version,) = resolved["resolvedComponentVersions"]
        (artifact,) = json.loads(base64.b64decode(resolved_version["recipe"]))["Manifests"][0][
            "Artifacts"
        ]
        path = artifact["Uri"].removeprefix(f"s3://{BUCKET}")
        status, content = request_s3(device, signed(device.credentials(), path), path)
        assert status == 200
        digest = base64.b64encode(hashlib.new("sha256", content).digest()).decode()
        assert (artifact["Algorithm"], artifact["Digest"]) == ("SHA-256", digest)
        mqtt.publish(
            f"{health}/json",
            {
                "ggcVersion": "2.6.0", "platform": "linux", "architecture": "amd64",
                "runtime": "aws_nucleus_lite", "thing": device.thing, "sequenceNumber": 2,
                "timestamp": 1796083300000, "messageType": "PARTIAL",
                "trigger": "THING_GROUP_DEPLOYMENT", "overallDeviceStatus": "HEALTHY",
                "components": [
                    {
                        "componentName": "com.example.camera", "version": version,
                        "fleetConfigArns": [document["configurationArn"]], "isRoot": True,
                        "status": "RUNNING",
                    }
                ],
                "deploymentInformation": {
                    "status": "SUCCEEDED", "deploymentId": made["deploymentId"],
                    "fleetConfigurationArnForStatus": document["configurationArn"],
                    "statusDetails": {"detailedStatus": "SUCCESSFUL"},
                    "unchangedRootComponents": [],
                },
            },
        )  # fmt: skip
        update("SUCCEEDED")
    finally:
        mqtt.close()
    name = {"coreDeviceThingName": device.thing}
    (effective,) = [
        deployment
        for deployment in greengrass.list_effective_deployments(**name)["effectiveDeployments"]
        if deployment["deploymentId"] == made["deploymentId"]
    ]
    assert effective["coreDeviceExecutionStatus"] == "SUCCEEDED"
    installed = greengrass.list_installed_components(**name)["installedComponents"]
    states = {component["componentName"]: component["lifecycleState"] for component in installed}
    assert states["com.example.camera"] == "RUNNING"


def test_mqtt_5_is_rejected_with_another_things_client_id(device: RealDevice) -> None:
    mqtt = Mqtt5Client(device, "cam-2")
    try:
        assert mqtt.rejected.wait(HANG_SECONDS)
        assert not mqtt.connected.is_set()
    finally:
        mqtt.close()


def test_status_names_the_ports_of_devices(aws: Emulator) -> None:
    shown = aws.command("status").stdout
    assert f"BUCKET.s3.REGION.amazonaws.com:{aws.endpoint['s3_port']}" in shown
    assert "devices' host    localhost, on 127.0.0.1" in shown


def test_a_second_up_with_other_ports_is_an_error(aws: Emulator) -> None:
    ports = [aws.endpoint[name] for name in ("mqtt_port", "device_port", "s3_port")]
    same = aws.command("up", f"--device-ports={','.join(str(port) for port in ports)}")
    assert (same.returncode, "already running at" in same.stdout) == (0, True)
    standard = ["--device-ports"]
    elsewhere = [f"--device-ports={','.join(str(port) for port in ports)}", "--device-host=other"]
    for words in (standard, elsewhere):
        other = aws.command("up", *words)
        assert other.returncode == 1
        assert "without these device ports; stop it with `down`" in other.stderr


def test_a_port_in_use_is_an_error_that_names_it(command: Command) -> None:
    mqtt, https, s3 = free_ports(3)
    with socket.create_server(("127.0.0.1", https)):
        failed = command("up", f"--device-ports={mqtt},{https},{s3}")
    assert failed.returncode == 1
    assert f"emulator: port {https} of 127.0.0.1 is in use: `ss -ltnp" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not (command.state / "ports.json").exists()


def test_devices_are_served_at_another_address_and_on_loopback(command: Command) -> None:
    mqtt, https, s3 = free_ports(3)
    words = ("--device-host=emulator.test", "--device-address=127.0.0.2")
    started = command("up", f"--device-ports={mqtt},{https},{s3}", *words)
    assert started.returncode == 0, started.stdout + started.stderr
    endpoint = command.endpoint()
    for address in ("127.0.0.1", "127.0.0.2"):
        for port in (mqtt, https, s3):
            socket.create_connection((address, port)).close()
    gateway = int(endpoint["endpoint_url"].rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", gateway))
    iot = Emulator(command, endpoint).client("iot")
    kinds = {"iot:Data-ATS": "emulator.test", "iot:CredentialProvider": f"emulator.test:{https}"}
    for kind, address in kinds.items():
        assert iot.describe_endpoint(endpointType=kind)["endpointAddress"] == address
    with pytest.raises(iot.exceptions.InvalidRequestException):
        iot.describe_endpoint(endpointType="iot:Jobs")
    pem = ssl.get_server_certificate(("127.0.0.1", s3))
    assert b"emulator.test" in ssl.PEM_cert_to_DER_cert(pem)


def test_the_next_start_without_fixed_ports_reaches_the_same_devices(command: Command) -> None:
    mqtt, https, s3 = free_ports(3)
    command("up", f"--device-ports={mqtt},{https},{s3}")
    command("down")
    command("up")
    endpoint = command.endpoint()
    assert (endpoint["mqtt_port"], endpoint["device_port"]) == (mqtt, https)
    assert endpoint["s3_port"] is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", s3))
