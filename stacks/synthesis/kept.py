"""Cloud assemblies of earlier syntheses, by the digest of what they were made from."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_KEPT = 8
_LIST = "files.json"
_ASSEMBLY = "assembly"
# Artifacts are named by their digest and may be large: linked, never copied or read.
_LINKED = "asset.*.zip"


class KeptAssemblies:
    """A folder of assemblies, the newest eight; one that was changed there counts as absent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def usable(self) -> bool:
        """Whether assemblies can be kept here: not in a checkout that is read-only."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
        return os.access(self._folder, os.W_OK)

    @contextlib.contextmanager
    def new(self) -> Iterator[Path]:
        """Give the path of a folder for an assembly; it goes unless `keep` takes it."""
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".") as folder:
            yield Path(folder, _ASSEMBLY)

    def keep(self, key: str, assembly: Path) -> None:
        """Move an assembly of `new` here, under `key`."""
        files = {
            file.relative_to(assembly).as_posix(): _sha256(file.read_bytes())
            for file in sorted(assembly.rglob("*"))
            if file.is_file() and not file.match(_LINKED)
        }
        (assembly.parent / _LIST).write_text(json.dumps(files), encoding="utf-8")
        self.forget(key)
        home = self._folder / key
        with contextlib.suppress(OSError):  # another run was faster: the same content
            assembly.parent.rename(home)
        self._forget_old()

    def restore(self, key: str, output: Path) -> bool:
        """Write the assembly of `key` into `output`; say whether there is one.

        Raises:
            OSError: `output` cannot be written.
        """
        home = self._folder / key
        assembly = home / _ASSEMBLY
        try:
            digests = json.loads((home / _LIST).read_text(encoding="utf-8"))
            files = {name: (assembly / name).read_bytes() for name in digests}
        except (OSError, ValueError):
            return False
        if any(_sha256(content) != digests[name] for name, content in files.items()):
            return False
        for folder in {os.path.dirname(name) for name in files}:  # noqa: PTH120 - many, and hot
            (output / folder).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _write(output / name, content)
        for artifact in assembly.glob(_LINKED):
            _link(artifact, output / artifact.name)
        os.utime(home)
        return True

    def forget(self, key: str) -> None:
        """Remove the assembly of `key`, if there is one."""
        shutil.rmtree(self._folder / key, ignore_errors=True)

    def _forget_old(self) -> None:
        homes = [home for home in self._folder.iterdir() if not home.name.startswith(".")]
        homes.sort(key=lambda home: home.stat().st_mtime, reverse=True)
        for old in homes[_KEPT:]:
            shutil.rmtree(old, ignore_errors=True)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(target: Path, content: bytes) -> None:
    """Write what is not there already: a file that is emptied first waits for the disk."""
    with contextlib.suppress(OSError):
        if target.read_bytes() == content:
            return
    target.write_bytes(content)


def _link(file: Path, target: Path) -> None:
    if target.exists():
        return
    try:
        os.link(file, target)
    except OSError:  # another file system
        shutil.copyfile(file, target)
