"""Python interpreters with a camera's packages: .venv-device, and those of `make test-shutdown`."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def device_pythons() -> dict[str, str]:
    """Return interpreter paths by Python version (`3.11`); if none exist, only the tests' own."""
    environments = [ROOT / ".venv-device", *sorted(ROOT.glob(".venv-device-3.*"))]
    interpreters = {
        _version(environment): str(environment / "bin" / "python")
        for environment in environments
        if (environment / ".ready").is_file()
    }
    return interpreters or {f"{sys.version_info[0]}.{sys.version_info[1]}": sys.executable}


def _version(environment: Path) -> str:
    (folder,) = (environment / "lib").glob("python3.*")
    return folder.name.removeprefix("python")
