"""Check that the Python of this checkout's virtual device can run a runtime component."""

from pathlib import Path

from deeplens.runtime.targets import PYTHON

_CONFIGURATION = Path(".venv-device") / "pyvenv.cfg"


def runtime_problem(root: Path) -> str | None:
    """Return the reason why a checkout's virtual device cannot run a [runtime], or None.

    The result is also None if the checkout has no virtual device, or if its Python version is
    unknown.
    """
    try:
        text = (root / _CONFIGURATION).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    keys = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    version = keys.get("version_info") or keys.get("version", "")
    if not version or version.split(".")[:2] == PYTHON.split("."):
        return None
    return (
        f"a [runtime] is for Python {PYTHON}, but this checkout's virtual device has Python "
        f"{version}: remove [runtime] from the environment file, or install Python {PYTHON} "
        f"and run `rm -r .venv-device && make setup DEVICE_PYTHON=python{PYTHON}`"
    )
