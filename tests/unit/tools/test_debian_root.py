"""If the root folder of another Debian release cannot be created, the error contains the reason."""

import os
import shutil
from pathlib import Path

import pytest

from tools import debian_root


def test_only_root_creates_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(debian_root.RootError, match="only root can create one"):
        debian_root.create(tmp_path, "trixie")


def test_a_missing_debootstrap_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(debian_root.RootError, match="apt-get install debootstrap"):
        debian_root.create(tmp_path, "trixie")


@pytest.mark.parametrize(("own", "other"), [("bookworm", "trixie"), ("trixie", "bookworm")])
def test_each_release_is_tested_against_the_other(own: str, other: str) -> None:
    assert debian_root.OTHER_RELEASE[own] == other


def test_the_configuration_of_installers_is_passed_on_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "kept")
    monkeypatch.setenv("https_proxy", "kept")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "dropped")
    command = debian_root._as_user(Path("/root-folder"), "true")  # noqa: SLF001 - the test checks the command inside the root
    assert {"PIP_INDEX_URL=kept", "https_proxy=kept"} <= set(command)
    assert not any("dropped" in word for word in command)
