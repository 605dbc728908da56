"""Run a command on a new Debian: a minimal root, a normal user, a clone in an unusual path.

The root contains python3, python3-venv, git and make, and this machine's configuration of apt, pip,
uv and npm. The command runs in separate namespaces, so its mounts and processes end with it. Only
committed files are cloned.

Exit codes: that of the command; 1 the root cannot be created, or the command left processes
running; 2 wrong usage; 130 interrupted.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGES = ("python3", "python3-venv", "git", "make", "ca-certificates")
# The other supported Debian release, by the code name of this machine's release.
OTHER_RELEASE = {"bookworm": "trixie", "trixie": "bookworm"}
USER = "visitor"
HOME = f"home/{USER}"
# A path with a space and a letter outside ASCII, so that the command is tested with both.
CLONE = f"/{HOME}/Kamera für alle/checkout"

_FILES = (
    "etc/resolv.conf",
    "etc/hosts",
    "etc/pip.conf",
    "etc/xdg/pip",
    "etc/npmrc",
    "etc/apt/apt.conf.d",
    "etc/apt/auth.conf.d",
    "etc/ssl/certs/ca-certificates.crt",
)
_HOME_FILES = (".npmrc", ".config/pip", ".pip", ".config/uv")
# Prefixes of the variables that configure the installers. Only these variables and `_PROXIES` are
# passed to the command.
_VARIABLES = ("PIP_", "UV_", "NPM_CONFIG_", "NODE_EXTRA_CA", "SSL_CERT_", "REQUESTS_CA", "CURL_CA")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_GIGABYTE = 1e9
# A script that runs the command, then reports the processes that the command left running.
_IN_NAME_SPACES = """
root=$1; shift
mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" || exit 1
"$@"
code=$?
for process in /proc/[0-9]*; do
    [ "$process" = /proc/1 ] && continue
    echo "debian_root: still running: $(tr '\\0' ' ' < "$process/cmdline")" >&2
    code=$((code ? code : 1))
done
exit $code
"""


class RootError(Exception):
    """Raised if the root cannot be created; the message contains the reason."""


def main() -> int:
    """Create the root, run the command there, remove a temporary root, and return the exit code."""
    options = _arguments()
    try:
        release = options.release or OTHER_RELEASE[own_release()]
        with _folder(options.folder) as root:
            create(root, release)
            return run(root, options.command)
    except RootError as error:
        print(f"debian_root: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def own_release() -> str:
    """Return the code name of this machine's Debian release.

    Raises:
        RootError: the release is neither Debian 12 nor Debian 13.
    """
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split("=", 1) for line in lines if "=" in line)
    name = fields.get("VERSION_CODENAME", "").strip('"')
    if name not in OTHER_RELEASE:
        raise RootError(
            f"this machine is {fields.get('PRETTY_NAME', 'unknown')}: expected Debian 12 or 13; "
            "name the release to create with --release"
        )
    return name


def mirror() -> str:
    """Return the URL of the Debian archive in apt's configuration.

    Raises:
        RootError: apt's configuration has no archive.
    """
    listed = _run("apt-get", "indextargets", "--format", "$(COMPONENT) $(REPO_URI) $(RELEASE)")
    for line in listed.splitlines():
        component, address, release = line.split(" ", 2)
        if component == "main" and release in {*OTHER_RELEASE, "stable", "oldstable"}:
            return address
    raise RootError(
        "apt lists no source of Debian's component main: run `apt-get update`, and see "
        "/etc/apt/sources.list.d"
    )


def create(root: Path, release: str) -> None:
    """Install `release` into `root`, with a user, this machine's configuration and a clone.

    Raises:
        RootError: the installation failed; the message contains the last lines of the output.
    """
    bootstrap(root, release, PACKAGES)
    _run("chroot", str(root), "useradd", "--create-home", "--shell", "/bin/bash", USER)
    for name in _HOME_FILES:
        _copy(Path.home() / name, root / HOME / name)
    bundle = root / HOME / "checkout.bundle"
    _run("git", "-C", str(CHECKOUT), "bundle", "create", "--quiet", str(bundle), "HEAD")
    _run("chroot", str(root), "chown", "--recursive", USER, f"/{HOME}")
    _run(*_as_user(root, f"git clone --quiet ~/checkout.bundle {shlex.quote(CLONE)}"))


def bootstrap(root: Path, release: str, packages: tuple[str, ...]) -> None:
    """Install `release` and `packages` into `root`, with this machine's configuration of apt.

    Raises:
        RootError: the installation failed; the message contains the last lines of the output.
    """
    if os.geteuid() != 0:
        raise RootError("only root can create one; run it with sudo")
    if shutil.which("debootstrap") is None:
        raise RootError("debootstrap is not installed; `apt-get install debootstrap` installs it")
    print(f"debian_root: {release} with {', '.join(packages)} into {root}", flush=True)
    _run(
        "debootstrap",
        "--variant=minbase",
        f"--include={','.join(packages)}",
        release,
        str(root),
        mirror(),
    )
    for name in _FILES:
        _copy(Path("/", name), root / name)


def run(root: Path, command: list[str]) -> int:
    """Run `command` in the clone, and return its exit code, or 1 if it leaves processes running."""
    words = shlex.join(command)
    version = _run(*_as_user(root, "python3 --version")).strip()
    print(f"debian_root: {version}, as {USER}, in {CLONE}: {words}", flush=True)
    disk, network, started = shutil.disk_usage(root).used, received_bytes(), time.monotonic()
    code = subprocess.run(  # noqa: S603 - the caller's command, in a new root
        [  # noqa: S607 - unshare is on PATH, from util-linux
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "bash",
            "-c",
            _IN_NAME_SPACES,
            "bash",
            str(root),
            *_as_user(root, f"cd {shlex.quote(CLONE)} && {words}"),
        ],
        check=False,
    ).returncode
    disk, network = shutil.disk_usage(root).used - disk, received_bytes() - network
    print(
        f"debian_root: {words}: exit code {code}, {time.monotonic() - started:.0f} s, "
        f"{disk / _GIGABYTE:.2f} GB of disk with all caches, {network / _GIGABYTE:.2f} GB received "
        f"({version}); other processes of this machine are counted, too",
        flush=True,
    )
    return code


def received_bytes() -> int:
    """Return the number of bytes that this machine has received over the network since boot."""
    lines = Path("/proc/net/dev").read_text(encoding="utf-8").splitlines()[2:]
    interfaces = (line.split(":", 1) for line in lines)
    return sum(int(fields.split()[0]) for name, fields in interfaces if name.strip() != "lo")


def _as_user(root: Path, script: str) -> list[str]:
    """Return the command that runs a shell script as `USER` in the root file system (chroot)."""
    passed = {
        name: value
        for name, value in os.environ.items()
        if name.upper().startswith(_VARIABLES) or name.upper() in _PROXIES
    }
    return [
        "chroot",
        f"--userspec={USER}",
        str(root),
        "/usr/bin/env",
        "-i",
        f"HOME=/{HOME}",
        f"USER={USER}",
        "PATH=/usr/local/bin:/usr/bin:/bin",
        *(f"{name}={value}" for name, value in passed.items()),
        "bash",
        "-c",
        script,
    ]


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copyfile(source, target)


def _run(*command: str) -> str:
    """Return the output of a command.

    Raises:
        RootError: the command failed; the message contains the last lines of its output.
    """
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - only fixed programs
    if result.returncode:
        last_lines = "\n".join((result.stdout + result.stderr).strip().splitlines()[-10:])
        raise RootError(
            f"`{shlex.join(command[:3])} …` ended with {result.returncode}:\n{last_lines}"
        )
    return result.stdout


@contextmanager
def _folder(chosen: Path | None) -> Iterator[Path]:
    """Yield the folder for the root: the caller's folder, which remains, or a temporary one."""
    if chosen is not None:
        chosen.mkdir(parents=True)
        yield chosen.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="debian-root-") as folder:
        # The temporary folder is private, but the normal user must be able to read the root.
        root = Path(folder) / "root"
        root.mkdir()
        Path(folder).chmod(0o755)
        yield root


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--release",
        choices=sorted(OTHER_RELEASE),
        help="code name; by default the other one of Debian 12 and 13",
    )
    parser.add_argument(
        "--folder", type=Path, help="folder to create the root in and to leave it; by default none"
    )
    parser.add_argument(
        "command", nargs="*", default=["make", "demo"], help="command; make demo by default"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
