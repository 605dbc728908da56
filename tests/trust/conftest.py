"""Signed releases, with the camera and the custom resource that verify them."""

import base64
import http.server
import json
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from camera.inference import RunnableModel
from camera.model_loader import ModelLoader
from camera.signature_check import SignatureSettings, SignatureVerifier
from cloudformation import ResourceRequest
from deeplens.releases.signing.releases import sign_release
from deeplens.releases.signing.signers import FileSigner, new_key_file
from model_artifact import handle
from shared.artifact.archive import sha256_of
from shared.signatures import Statement, TrustedKeys
from testkit.pinned import pinned_artifact

ROOT = Path(__file__).parents[2]
SHAPES = pinned_artifact()
_STACK = """<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">
<DescribeStacksResult><Stacks><member><StackName>dev-Inference</StackName>
<CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>{status}</StackStatus>
</member></Stacks></DescribeStacksResult></DescribeStacksResponse>"""
BUCKET, ASSETS = "deeplens-test", "cdk-assets"


@dataclass
class Person:
    """A person with a signing key."""

    signer: FileSigner

    @property
    def public(self) -> bytes:
        return self.signer.public_key

    @property
    def text(self) -> str:
        return base64.b64encode(self.public).decode()


@dataclass
class Team:
    """A folder of artifacts, and the persons who sign the artifacts."""

    folder: Path
    keys: dict[str, Person] = field(default_factory=dict)

    def person(self, name: str = "ann") -> Person:
        if name not in self.keys:
            new_key_file(self.folder / f"{name}.pem")
            self.keys[name] = Person(FileSigner.read(self.folder / f"{name}.pem"))
        return self.keys[name]

    def artifact(self, name: str, model: str = "shapes") -> Path:
        """Create an artifact with a unique digest; return its path."""
        made = self.folder / "new.zip"
        with zipfile.ZipFile(SHAPES) as source, zipfile.ZipFile(made, "w") as packed:
            for member in source.infolist():
                content = source.read(member)
                if member.filename == "manifest.json":
                    content = json.dumps({**json.loads(content), "name": model}).encode()
                packed.writestr(member, content)
            packed.comment = name.encode()
        path = self.folder / "models" / model / sha256_of(made) / "model.zip"
        path.parent.mkdir(parents=True)
        return made.rename(path)

    def release(
        self,
        name: str,
        *,
        by: str = "ann",
        model: str = "shapes",
        count: int | None = None,
        expires: datetime | None = None,
    ) -> Path:
        """Create and sign an artifact; return its path."""
        path = self.artifact(name, model)
        sign_release(path, self.person(by).signer, release=count, expires=expires)
        return path

    def sign_again(self, artifact: Path, by: str = "ann") -> Statement:
        return sign_release(artifact, self.person(by).signer, again=True)

    def trusted(self, *names: str, revoked: tuple[str, ...] = ()) -> TrustedKeys:
        return TrustedKeys.of([self.person(name).public for name in names or ("ann",)], revoked)


@dataclass
class Camera:
    """A camera's disk with releases that Greengrass has unpacked."""

    folder: Path
    trusted: TrustedKeys
    clock: float = 1_800_000_000.0
    required: bool = True
    loaded: list[str] = field(default_factory=list)

    def receive(self, artifact: Path) -> Path:
        there = self.folder / "arrived" / artifact.parent.name
        shutil.rmtree(there, ignore_errors=True)
        there.mkdir(parents=True)
        for file in (artifact, artifact.with_name("model.zip.sig")):
            if file.exists():
                shutil.copyfile(file, there / file.name)
        with zipfile.ZipFile(artifact) as packed:
            packed.extractall(there / "model")
        return there

    def start(
        self, arrived: Path, *, model: str = "shapes", digest: str | None = None
    ) -> RunnableModel:
        """Load the model of a release folder, process ten frames, and return the model."""
        settings = SignatureSettings(
            model=model,
            statement=arrived / "model.zip.sig",
            keys=self.trusted,
            required=self.required,
        )
        deployed = ModelLoader(
            archive=arrived / "model.zip",
            directory=arrived / "model",
            digest=digest or arrived.name,
            state_directory=self.folder / "state",
            open_engine=self._open,
            verifier=SignatureVerifier(
                settings,
                self.folder / "state",
                owner_keys=self.folder / "own.pem",
                now=lambda: self.clock,
            ),
        )
        loaded = deployed.load()
        for _ in range(10):
            deployed.frame_done()
        return loaded

    def run(self, artifact: Path, **changed: Any) -> RunnableModel:
        return self.start(self.receive(artifact), **changed)

    def _open(self, artifact: Any) -> Any:
        self.loaded.append(artifact.digest)
        return object()


Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@dataclass
class Store:
    """A loopback server for boto3 and URL requests that responds like an attacked or slow S3."""

    address: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    written: dict[str, bytes] = field(default_factory=dict)
    stack_status: str = "UPDATE_IN_PROGRESS"

    def holds(self, key: str, content: bytes) -> None:
        def give(request: http.server.BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.send_header("ETag", '"tag"')
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            request.wfile.write(content)

        self.answers[key] = give


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


@pytest.fixture
def camera(tmp_path: Path, team: Team) -> Camera:
    return Camera(tmp_path / "camera", team.trusted())


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    kept = Store()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            key = self.path.split("?")[0].lstrip("/")
            answer = kept.answers.get(key)
            if answer is None:
                self.send_error(404)
                return
            answer(self)

        def do_PUT(self) -> None:
            kept.written[self.path.split("?")[0].lstrip("/")] = b""
            content = b"<CopyObjectResult/>"
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            content = _STACK.format(status=kept.stack_status).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Suppress the log."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        kept.address = f"http://127.0.0.1:{server.server_port}"
        for name, value in {
            "AWS_ENDPOINT_URL": kept.address,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "eu-central-1",
        }.items():
            monkeypatch.setenv(name, value)
        yield kept
        server.shutdown()
        thread.join()


def properties(artifact: Path, trusted: list[str], **changed: str) -> dict[str, str]:
    """Return the resource properties of a release as in the template."""
    digest = artifact.parent.name
    statement = artifact.with_name("model.zip.sig")
    return {
        "SourceBucket": ASSETS,
        "SourceKey": f"{digest}.zip",
        "Bucket": BUCKET,
        "Key": f"components/shapes/{digest}/model.zip",
        "Sha256": digest,
        "Model": "shapes",
        "TrustedKeys": ",".join(trusted),
        "RevokedKeys": "",
        "SignatureRequired": "true",
        "Statement": base64.b64encode(
            statement.read_bytes() if statement.exists() else b""
        ).decode(),
        "StatementKey": f"components/shapes/{digest}/model.zip.sig",
        **changed,
    }


def deploy(now: dict[str, str], before: dict[str, str] | None = None) -> Any:
    """Call the custom resource as CloudFormation does; return its result."""
    return handle(
        ResourceRequest(
            type="Update" if before else "Create",
            properties=now,
            physical_id=None,
            remaining_seconds=lambda: 600.0,
            owner="arn:aws:cloudformation:eu-central-1:111111111111:stack/dev-Inference/1/Artifact",
            old_properties=before or {},
        )
    )
