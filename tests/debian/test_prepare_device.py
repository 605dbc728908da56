"""The script of `deeplens fleet prepare-device` runs repeatedly, as root, in a minimal Debian.

Java, the core software and systemd are doubles that record their calls, because a machine without a
network to AWS has none of them. Users, groups, sudo, apt, files and the network are Debian's.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deeplens.config import load_environment
from deeplens.config.nucleus_components import PINNED_VERSIONS
from deeplens.fleet.core_configuration import CORE_ROOT, CoreConfiguration
from deeplens.fleet.device.preparation import device_script
from tools import debian_root

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
NUCLEUS = PINNED_VERSIONS["aws.greengrass.Nucleus"]
FILES = "/root/cam-1"
DATA = "data.iot.eu-central-1.example"
CREDENTIALS = "credentials.iot.eu-central-1.example"
JAVA = """#!/bin/sh
case "$*" in
-version) echo 'openjdk version "17.0.9" 2023-10-17' >&2 ;;
*--version) echo "AWS Greengrass v$(cat "$(dirname "$2")/version")" ;;
*)
    echo "java $*" >> /var/log/calls
    for word; do
        case $word in
        -Droot=*) root=${word#-Droot=} ;;
        */Greengrass.jar) jar=$word ;;
        esac
    done
    mkdir -p "$root/alts/current/distro"
    cp -r "$(dirname "$jar")" "$root/alts/current/distro"
    : > /lib/systemd/system/greengrass.service
    : > /run/systemd/system/greengrass.service.active
    ;;
esac
"""
SYSTEMCTL = """#!/bin/sh
for unit; do :; done
case $1 in
cat) test -f "/lib/systemd/system/$unit" ;;
is-active) test -f "/run/systemd/system/$unit.active" ;;
enable) : > "/run/systemd/system/$unit.active"; echo "systemctl $*" >> /var/log/calls ;;
*) echo "systemctl $*" >> /var/log/calls ;;
esac
"""


class Device:
    """A Debian root with the files of one device, before the script runs."""

    def __init__(self, root: Path, core: str) -> None:
        self.root, self.core = root, core
        text = (ROOT / "environments/dev.toml").read_text(encoding="utf-8")
        file = root / "dev.toml"
        file.write_text(text.replace("[fleet]\n", f'[fleet]\ncore_runtime = "{core}"\n'))
        script = device_script(load_environment(file), "cam-1")
        configuration = CoreConfiguration(
            thing="cam-1",
            region="eu-central-1",
            role_alias="deeplens-dev-token-exchange",
            data_endpoint=DATA,
            credentials_endpoint=CREDENTIALS,
            runtime=core,
            nucleus_version=NUCLEUS,
            root=CORE_ROOT[core],
        )
        (root / FILES[1:]).mkdir()
        self.write(f"{FILES}/prepare-device.sh", script)
        self.write(f"{FILES}/config.yaml", configuration.text())
        authority, certificate, key, server = certificates()
        self.write(f"{FILES}/AmazonRootCA1.pem", authority)
        self.write(f"{FILES}/device.pem.crt", certificate)
        self.write(f"{FILES}/private.pem.key", key)
        self.write("/server.pem", server)
        self.write("/usr/local/bin/systemctl", SYSTEMCTL)
        (root / "run/systemd/system").mkdir(parents=True)
        (root / "lib/systemd/system").mkdir(parents=True, exist_ok=True)

    def write(self, path: str, text: str) -> None:
        file = self.root / path[1:]
        # Other roots may have hard links to this file, so it is replaced and not changed.
        file.unlink(missing_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(0o755)

    def shell(self, script: str, *, code: int = 0, clock_seconds: int = 0) -> str:
        """Run a script in the root, with doubles of AWS' endpoints; return the output.

        The doubles have a separate loopback interface, and their clock differs by `clock_seconds`.
        The exit code of the script must be `code`.
        """
        done = subprocess.run(
            ["unshare", "--mount", "--net", sys.executable, SERVERS, self.root,
             str(clock_seconds), script],
            env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def prepare(self, *words: str, code: int = 0) -> str:
        return self.shell(f"sh {FILES}/prepare-device.sh {' '.join(words)}", code=code)

    def check(self, *, code: int = 0, clock_seconds: int = 0) -> dict[str, str]:
        """Run `prepare-device.sh --check`, and return the results by name."""
        printed = self.shell(
            f"sh {FILES}/prepare-device.sh --check", code=code, clock_seconds=clock_seconds
        )
        return {
            line[9:26].strip(): f"{line[:8].strip()} {line[27:]}" for line in printed.splitlines()
        }

    def calls(self) -> list[str]:
        file = self.root / "var/log/calls"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def stat(self, path: str) -> str:
        return self.shell(f"stat -c '%a %U:%G' {path}").strip()

    def core_zip(self, version: str = NUCLEUS) -> str:
        with zipfile.ZipFile(self.root / "nucleus.zip", "w") as archive:
            archive.writestr("lib/Greengrass.jar", "")
            archive.writestr("lib/version", version)
        return "/nucleus.zip"

    def add_java(self) -> None:
        self.write("/usr/local/bin/java", JAVA)

    def add_python(self) -> None:
        """Install Debian's Python 3.11 as python3.12, with empty packages of the camera."""
        self.shell("ln -s /usr/bin/python3 /usr/local/bin/python3.12")
        packages = self.root / "usr/lib/python3/dist-packages"
        for name in ("numpy", "PIL", "google/protobuf", "jsonschema", "openvino", "awsiot", "cv2"):
            (packages / name).mkdir(parents=True)
            (packages / name / "__init__.py").touch()

    def add_lite_package(self, version: str = "2.6.0") -> str:
        """Build a Debian package like that of nucleus lite; return its path in the root.

        The package contains a unit, users and a configuration.
        """
        folder = self.root / "lite"
        for path, text in {
            "DEBIAN/control": f"Package: aws-greengrass-lite\nVersion: {version}\n"
            "Architecture: all\nMaintainer: x\nDescription: x\n",
            "DEBIAN/postinst": "#!/bin/sh\nset -e\nfor name in ggcore gg_component; do\n"
            'groupadd -f -r "$name"; id "$name" > /dev/null 2>&1 || useradd -r -M -N -g "$name" '
            '"$name"\ndone\n',
            "lib/systemd/system/greengrass-lite.target": "",
            "etc/greengrass/config.d/greengrass-lite.yaml": "---\nservices:\n"
            "  aws.greengrass.NucleusLite:\n    configuration:\n      runWithDefault:\n"
            '        posixUser: "ggcore:ggcore"\n',
        }.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        (folder / "DEBIAN/postinst").chmod(0o755)
        self.shell("dpkg-deb --build /lite /lite.deb > /dev/null")
        return "/lite.deb"


def certificates() -> tuple[str, str, str, str]:
    """Return as PEM: authority, device certificate, device key, server key with certificate."""
    now = datetime.now(UTC)

    def issue(
        name: str, issuer: x509.Name | None, signer: ec.EllipticCurvePrivateKey | None
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        hosts = [DATA, CREDENTIALS, "greengrass-ats.iot.eu-central-1.amazonaws.com"]
        names = [*map(x509.DNSName, hosts), x509.IPAddress(ip_address("127.0.0.1"))]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            # Tests shift the clocks by hours, so the certificates became valid one day ago.
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True
            )
        )
        return builder.sign(signer or key, hashes.SHA256()), key

    def pem(part: x509.Certificate | ec.EllipticCurvePrivateKey) -> str:
        encoding = serialization.Encoding.PEM
        if isinstance(part, x509.Certificate):
            return part.public_bytes(encoding).decode()
        form = serialization.PrivateFormat.TraditionalOpenSSL
        return part.private_bytes(encoding, form, serialization.NoEncryption()).decode()

    authority, signer = issue("authority", None, None)
    device, device_key = issue("cam-1", authority.subject, signer)
    server, server_key = issue("server", authority.subject, signer)
    return pem(authority), pem(device), pem(device_key), pem(server_key) + pem(server)


SERVERS = Path(__file__).with_name("endpoints_in_a_root.py")


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A minimal Debian root that each test copies."""
    root = tmp_path_factory.mktemp("debian") / "root"
    try:
        debian_root.bootstrap(
            root,
            "bookworm",
            ("ca-certificates", "curl", "openssl", "python3-venv", "sudo", "unzip"),
        )
    except debian_root.RootError as error:
        pytest.skip(f"no root of Debian can be created here: {error}")
    yield root
    shutil.rmtree(root)


@pytest.fixture(params=["classic", "lite"])
def core(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def device(debian: Path, tmp_path: Path, core: str) -> Iterator[Device]:
    root = tmp_path / "root"
    # Hard links are ten times faster than copies. The files of `debian` do not change: Debian's
    # programs replace a file by renaming a new file, and this test unlinks a file before it writes.
    subprocess.run(["cp", "--archive", "--link", debian, root], check=True)
    yield Device(root, core)
    shutil.rmtree(root)


def prepared(device: Device) -> str:
    """Prepare a device with Python and the core software; return the script's output."""
    device.add_python()
    if device.core == "classic":
        device.add_java()
        return device.prepare("--nucleus", device.core_zip())
    return device.prepare("--package", device.add_lite_package())


def test_a_new_machine_becomes_a_core_device_and_the_second_run_changes_nothing(
    device: Device,
) -> None:
    root = CORE_ROOT[device.core]
    first = prepared(device)
    owner, user, group = {
        "classic": ("root:root", "ggc_user", "ggc_group"),
        "lite": ("ggcore:ggcore", "gg_component", "gg_component"),
    }[device.core]
    assert f"{user} is a member of video" in first
    assert device.stat(f"{root}/private.pem.key") == f"400 {owner}"
    assert device.stat(f"{root}/device.pem.crt") == f"444 {owner}"
    assert device.shell(f"id -nG {user}").split() == [group, "video", "render"]
    # The user of the components can neither read the key nor change the folder.
    device.shell(f"runuser -u {user} -- cat {root}/private.pem.key", code=1)
    device.shell(f"runuser -u {user} -- touch {root}/x", code=1)
    calls = device.calls()
    assert len(calls) == 1

    again = device.prepare()
    assert "changed:" not in again
    assert "nothing to change" in again
    assert device.calls() == calls
    # The script has installed the key, so a second run does not need this copy.
    (device.root / FILES[1:] / "private.pem.key").unlink()
    assert "nothing to change" in device.prepare()

    results = device.check()
    assert {text.split()[0] for text in results.values()} == {"ok", "warning"}
    # Only the camera has a warning, because dev's camera is a folder of images.
    assert [name for name, text in results.items() if text.startswith("warning")] == ["camera"]
    assert {"port 8883", "port 8443", "port 443", "credentials", "clock"} <= results.keys()


@pytest.mark.parametrize("core", ["lite"], indirect=True)
def test_endpoints_of_the_emulator_are_checked_at_their_own_ports(device: Device) -> None:
    """The check connects to the emulator's credentials provider, whose port differs from AWS'."""
    file = device.root / FILES[1:] / "config.yaml"
    text = file.read_text(encoding="utf-8")
    device.write(f"{FILES}/config.yaml", text.replace(CREDENTIALS, f"{CREDENTIALS}:8443"))
    prepared(device)
    results = device.check()
    assert results["port 8443"] == f"ok {CREDENTIALS} responds"
    assert results["credentials"].startswith("ok")
    assert "port 443" not in results


@pytest.mark.parametrize("core", ["classic"], indirect=True)
def test_the_installer_of_the_classic_core_gets_the_documented_arguments(device: Device) -> None:
    prepared(device)
    [call] = device.calls()
    words = call.split()
    assert words[1:3] == ["-Droot=/greengrass/v2", "-Dlog.store=FILE"]
    assert words[5:] == [
        "--init-config", "/greengrass/v2/config.yaml",
        "--component-default-user", "ggc_user:ggc_group",
        "--setup-system-service", "true", "--start", "true",
    ]  # fmt: skip
    # The nucleus starts each component with sudo.
    assert (
        device.shell("sudo -n -u ggc_user -g ggc_group id -ng 2> /dev/null").strip() == "ggc_group"
    )


@pytest.mark.parametrize("core", ["classic"], indirect=True)
def test_another_nucleus_than_the_pinned_one_is_refused(device: Device) -> None:
    device.add_java()
    said = device.prepare("--nucleus", device.core_zip("2.18.0"), code=1)
    assert f"contains core software '2.18.0': expected {NUCLEUS}" in said
    assert device.calls() == []
    assert f"expected {NUCLEUS}" in device.prepare("--nucleus", device.core_zip(""), code=1)


@pytest.mark.parametrize("core", ["classic"], indirect=True)
def test_sudo_that_does_not_let_root_act_as_others_is_repaired(device: Device) -> None:
    sudoers = device.root / "etc/sudoers"
    text = sudoers.read_text(encoding="utf-8")
    device.write("/etc/sudoers", text.replace("root\tALL=(ALL:ALL) ALL", ""))
    sudoers.chmod(0o440)
    assert "changed: /etc/sudoers.d/greengrass" in prepared(device)
    assert device.stat("/etc/sudoers.d/greengrass") == "440 root:root"
    assert "nothing to change" in device.prepare()


@pytest.mark.parametrize("core", ["lite"], indirect=True)
def test_a_nucleus_lite_that_cannot_finish_a_deployment_is_rejected_and_replaced(
    device: Device,
) -> None:
    old = device.add_lite_package("2.3.2")
    device.add_python()
    printed = device.prepare("--package", old, code=1)
    assert f"{old} contains nucleus lite 2.3.2: expected 2.4.0 or later" in printed
    device.shell(f"apt-get install -y --allow-downgrades {old}")
    assert device.check(code=4)["core"].startswith("blocked nucleus lite 2.3.2: expected 2.4.0")
    assert "nucleus lite is 2.3.2: expected 2.4.0 or later" in device.prepare(code=1)
    assert "changed: nucleus lite 2.6.0" in device.prepare("--package", device.add_lite_package())
    assert device.check()["core"] == "ok nucleus lite 2.6.0"


@pytest.mark.parametrize("core", ["lite"], indirect=True)
def test_components_of_lite_do_not_run_as_the_user_that_can_read_the_key(device: Device) -> None:
    prepared(device)
    file = device.root / "etc/greengrass/config.d/greengrass-lite.yaml"
    assert 'posixUser: "gg_component:gg_component"' in file.read_text(encoding="utf-8")
    configuration = device.root / "etc/greengrass/config.yaml"
    assert 'posixUser: "gg_component:gg_component"' in configuration.read_text(encoding="utf-8")
    assert device.calls() == ["systemctl enable --quiet --now greengrass-lite.target"]


def test_what_somebody_changed_is_put_right_and_the_service_restarted(device: Device) -> None:
    prepared(device)
    root = CORE_ROOT[device.core]
    device.shell(f"chmod 644 {root}/private.pem.key; chown nobody {root}")
    assert device.check(code=4)["private.pem.key"].startswith("blocked has mode and owner 644")
    said = device.prepare()
    assert said.count("changed:") == 2
    assert "restarted greengrass" in said
    device.check()


def test_an_unprepared_machine_is_blocked_with_a_reason_for_each_part(device: Device) -> None:
    results = device.check(code=4)
    for name in ("user", "private.pem.key", "device.pem.crt", "config.yaml", "python", "core"):
        assert results[name].startswith("blocked "), name
    assert results["architecture"].startswith("ok")
    assert results["disk"].split()[0] in {"ok", "warning"}


def test_each_fault_of_a_device_is_found(device: Device) -> None:
    prepared(device)
    root = CORE_ROOT[device.core]
    device.shell("rm /usr/local/bin/python3.12; rm /run/systemd/system/*.active")
    user = "ggc_user" if device.core == "classic" else "gg_component"
    device.shell(f"gpasswd --delete {user} video > /dev/null")
    # This is the key of another device.
    device.shell(f"openssl ecparam -name prime256v1 -genkey -noout -out {root}/private.pem.key")
    results = device.check(code=4)
    assert "python3.12 is not on the service's PATH" in results["python"]
    assert results["service"].startswith("blocked")
    assert results["group video"].startswith("warning")
    assert "does not match the private key" in results["certificate"]


def test_a_clock_that_aws_would_reject_is_found(device: Device) -> None:
    prepared(device)
    assert device.check(code=4, clock_seconds=-4000)["clock"].startswith("blocked differs by ")
    assert device.check(clock_seconds=100)["clock"].startswith("ok")


@pytest.mark.parametrize("core", ["classic"], indirect=True)
def test_a_refused_connection_or_certificate_is_found(device: Device) -> None:
    prepared(device)
    configuration = device.root / "greengrass/v2/config.yaml"
    text = configuration.read_text(encoding="utf-8")
    # The first endpoint has no listener, and the name of the second endpoint has no address.
    configuration.write_text(
        text.replace(DATA, "127.0.0.2").replace(CREDENTIALS, "nowhere.invalid"), encoding="utf-8"
    )
    results = device.check(code=4)
    assert "127.0.0.2 does not respond: open outgoing TCP port 8883" in results["port 8883"]
    assert "check DNS" in results["port 443"]
    assert results["credentials"].startswith("blocked HTTP status 000")


@pytest.mark.parametrize("core", ["classic"], indirect=True)
def test_wrong_usage_is_one_line(device: Device) -> None:
    assert "usage:" in device.prepare("--nonsense", code=2)
    assert "usage:" in device.prepare("--nucleus", code=2)
    said = device.shell(f"cp -r {FILES} /tmp/c && chmod 755 /tmp/c && "
                        "runuser -u nobody -- sh /tmp/c/prepare-device.sh", code=1)  # fmt: skip
    assert "run this script as root" in said
