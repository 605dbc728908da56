"""Writer of the pin of an environment file: the name and the digest of its model."""

import os
import tempfile
from pathlib import Path

import tomlkit
import tomlkit.exceptions

_BYTE_ORDER_MARK = "\ufeff"


class PinError(Exception):
    """Raised if the pin of an environment file cannot be changed."""


def pin_model(file: Path, name: str, digest: str) -> bool:
    """Change [model] of an environment file to `name` and `digest`, and nothing else.

    Returns:
        True if the file changed.

    Raises:
        PinError: the file is absent, is not a regular file, is not TOML, or has no [model].
    """
    if file.exists() and not file.is_file():
        raise PinError(f"{file}: is not a regular file")
    try:
        text = read_exactly(file)
        changed = pinned(text, name, digest)
    except FileNotFoundError:
        raise PinError(f"{file}: no such environment file") from None
    except KeyError:
        raise PinError(f"{file}: has no [model] to pin") from None
    except (tomlkit.exceptions.TOMLKitError, UnicodeDecodeError) as error:
        raise PinError(f"{file}: not valid TOML: {error}") from None
    if changed != text:
        _replace(file, changed)
    return changed != text


def read_exactly(file: Path) -> str:
    """Return a file's text with its line endings and byte order mark, which an edit must keep."""
    return file.read_bytes().decode()


def pinned(text: str, name: str, digest: str) -> str:
    """Return the text of an environment file with another pin, otherwise unchanged.

    Raises:
        tomlkit.exceptions.TOMLKitError: the text is not TOML.
        KeyError: the text has no [model].
    """
    body = text.removeprefix(_BYTE_ORDER_MARK)
    document = tomlkit.parse(body)
    model = document["model"]
    pin = {"name": name, "digest": digest}
    for key, value in pin.items():
        if model.get(key) != value:
            model[key] = value
    return text[: len(text) - len(body)] + tomlkit.dumps(document)


def _replace(file: Path, text: str) -> None:
    """Replace the content of a file atomically; keep the file's mode."""
    handle, unfinished = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    with os.fdopen(handle, "wb") as output:
        output.write(text.encode())
    Path(unfinished).chmod(file.stat().st_mode & 0o777)
    Path(unfinished).replace(file)
