"""Cloud assemblies of earlier syntheses, stored by the digest of their inputs."""

import contextlib
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

_MAX_ASSEMBLIES = 8
_DIGESTS = "files.json"
_ASSEMBLY = "assembly"
# The archives of an assembly. Their names contain their digests, so large archives are linked
# instead of read and copied.
_ARCHIVES = "asset.*.zip"
_MAX_COPIED_BYTES = 4 << 20
_BYTECODE = "__pycache__"


class AssemblyCache:
    """A folder with the eight most recently used assemblies; changed assemblies are ignored."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def is_writable(self) -> bool:
        """Create the folder if it is absent; return whether the folder can be written."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
        return os.access(self._folder, os.W_OK)

    @contextlib.contextmanager
    def new(self) -> Iterator[Path]:
        """Yield the path for a new assembly, which is removed unless `store` moves it."""
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".") as folder:
            yield Path(folder, _ASSEMBLY)

    def store(self, key: str, assembly: Path) -> None:
        """Move an assembly from the path that `new` yielded into the cache, under `key`.

        The assembly replaces an earlier one with this key. All except the eight most recently used
        assemblies are removed.
        """
        digests = {
            file.relative_to(assembly).as_posix(): _sha256(file.read_bytes())
            for file in sorted(assembly.rglob("*"))
            if file.is_file() and not _is_linked(file)
        }
        (assembly.parent / _DIGESTS).write_text(json.dumps(digests), encoding="utf-8")
        self.remove(key)
        with contextlib.suppress(OSError):  # A concurrent run stored the same content first.
            assembly.parent.rename(self._folder / key)
        self._remove_oldest()

    def restore(self, key: str, output: Path) -> bool:
        """Write the assembly of `key` into `output`; return False if it is absent or changed.

        Raises:
            OSError: `output` cannot be written.
        """
        entry = self._folder / key
        assembly = entry / _ASSEMBLY
        try:
            digests = json.loads((entry / _DIGESTS).read_text(encoding="utf-8"))
            files = {name: (assembly / name).read_bytes() for name in digests}
        except (OSError, ValueError):
            return False
        if any(_sha256(content) != digests[name] for name, content in files.items()):
            return False
        for folder in {os.path.dirname(name) for name in files}:  # noqa: PTH120 - os.path is faster than pathlib
            (output / folder).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _write_if_changed(output / name, content)
        for archive in filter(_is_linked, assembly.glob(_ARCHIVES)):
            _link(archive, output / archive.name)
        os.utime(entry)
        return True

    def remove(self, key: str) -> None:
        """Remove the assembly of `key`, if it exists."""
        shutil.rmtree(self._folder / key, ignore_errors=True)

    def _remove_oldest(self) -> None:
        entries = [entry for entry in self._folder.iterdir() if not entry.name.startswith(".")]
        entries.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
        for entry in entries[_MAX_ASSEMBLIES:]:
            shutil.rmtree(entry, ignore_errors=True)


def cache_key(settings: Iterable[str], hashed: Iterable[Path], stated: Iterable[Path]) -> str:
    """Return the SHA-256 of a synthesis' inputs, as lower-case hexadecimal digits.

    Python, the installed libraries and their versions are always inputs.

    Args:
        settings: one line for each input that is not a file.
        hashed: files and folders whose names and contents are hashed.
        stated: files and folders whose names, sizes and modification times are hashed, because the
            paths or the lock files of these large files already contain their digests.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256()
    lines = [*settings, f"python {sys.version}", *_libraries()]
    for path in hashed:
        lines += [f"{file} {_sha256(file.read_bytes())}" for file in _files(path)]
    for path in stated:
        for file in _files(path):
            status = file.stat()
            lines.append(f"{file} {status.st_size} {status.st_mtime_ns}")
    for line in lines:
        digest.update(line.encode())
        digest.update(b"\n")
    return digest.hexdigest()


def _libraries() -> list[str]:
    """Return the names and versions of the installed packages, from their `.dist-info` folders."""
    return sorted(
        entry.name
        for folder in sys.path
        if os.path.basename(folder) == "site-packages"  # noqa: PTH119 - os.path is faster than pathlib
        for entry in os.scandir(folder)
        if entry.name.endswith(".dist-info")
    )


def _files(path: Path) -> Iterator[Path]:
    """Yield the file `path`, or all files below it except Python's caches; none if absent."""
    if path.is_file():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name != _BYTECODE)
        for name in sorted(names):
            yield Path(folder, name)


def _is_linked(file: Path) -> bool:
    return file.match(_ARCHIVES) and file.stat().st_size > _MAX_COPIED_BYTES


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write_if_changed(target: Path, content: bytes) -> None:
    """Write a file unless it has this content, because truncating a file waits for the disk."""
    with contextlib.suppress(OSError):
        if target.read_bytes() == content:
            return
    target.write_bytes(content)


def _link(file: Path, target: Path) -> None:
    if target.exists():
        return
    try:
        os.link(file, target)
    except OSError:  # The target is on another file system.
        shutil.copyfile(file, target)
