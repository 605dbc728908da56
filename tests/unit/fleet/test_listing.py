"""`deeplens fleet status` and `releases` print one line per device or release, then details."""

from dataclasses import replace

import click
import pytest

from deeplens.cli.fleet import releases, status
from deeplens.cli.fleet.listing import (
    ago,
    echo,
    seconds_of,
    size,
)
from deeplens.fleet.kept_releases import KeptRelease
from deeplens.fleet.status import DeviceStatus

DIGEST = "63870608181d26a099070af27675749148c8e3c6854e14a90047892cb8138cea"
NOW = 1_800_000_000.0


def row(
    thing: str = "production-camera-0001", standing: str = "good", drift: str = ""
) -> DeviceStatus:
    return DeviceStatus(
        thing=thing,
        standing=standing,
        status="healthy",
        model_version="1.0.0",
        model_digest=DIGEST,
        function="arn:aws:lambda:eu-central-1:333333333333:function:x:7",
        running_since=NOW - 4 * 3600,
        last_frame_at="2027-01-15T08:00:00.000Z",
        frames_per_second=2.05,
        wave="1",
        drift=drift,
    )


def lines(*rows: DeviceStatus, wide: bool = False) -> list[str]:
    shown = status.report("cameras", list(rows), NOW, wide=wide)
    return [click.unstyle(line) for line in shown]


def test_a_device_is_one_line_of_at_most_80_columns() -> None:
    heading, names, device = lines(row())
    assert heading == "cameras: 1 device, 1 good"
    assert names.split("  ")[0] == "DEVICE"
    assert "production-camera-0001  good   1.0.0 63870608181d  4 h ago" in device
    assert len(device) <= 80


def test_wide_adds_the_function_the_wave_and_absolute_times() -> None:
    device = lines(row(), wide=True)[-1]
    assert DIGEST in device
    assert "2027-01-15T08:00:00Z" in device
    assert device.split()[-4:] == ["7", "1", "-", "-"]


def test_wide_adds_free_disk_and_memory() -> None:
    full = replace(row(), disk_free_bytes=9_876_543_210, memory_available_bytes=734_003_200)
    _, names, device = lines(full, wide=True)
    assert names.endswith("WAVE  DISK FREE  MEMORY FREE")
    assert device.endswith("1     9.2 GiB    700.0 MiB")


@pytest.mark.parametrize(
    ("size_bytes", "expected"),
    [(None, "-"), (0, "0.0 KiB"), (1 << 20, "1.0 MiB"), (1 << 30, "1.0 GiB"), (3 << 40, "3.0 TiB")],
)
def test_sizes_have_the_unit_that_fits(size_bytes: int | None, expected: str) -> None:
    assert size(size_bytes) == expected


def test_devices_that_are_not_as_planned_are_named_with_the_reason() -> None:
    shown = lines(row("a"), row("b", "failed", "runs another model, which it reports itself"))
    assert shown[0] == "cameras: 2 devices, 1 good, 1 failed"
    assert shown[-2:] == ["not as planned:", "  b: runs another model, which it reports itself"]


def test_control_characters_of_a_device_do_not_reach_the_terminal() -> None:
    shown = lines(replace(row("a"), model_version="1\x1b[2J", drift="no\x07\nb: good"))
    assert not any(character in "".join(shown) for character in "\x1b\x07\n")
    assert "1\\x1b[2J" in shown[2]


def test_a_device_that_never_reported_has_dashes_in_its_cells() -> None:
    silent = DeviceStatus(
        "a", "offline", "never reported", None, None, None, None, None, None, None, ""
    )
    assert lines(silent)[-1].split() == ["a", "offline", "-", "-", "-", "-"]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 s ago"), (59, "59 s ago"), (90, "2 min ago"), (7200, "2 h ago"), (90_000, "1 d ago"),
     (-2, "0 s ago"), (-7200, "2 h ahead")],
)  # fmt: skip
def test_times_are_relative_in_one_unit(seconds: float, expected: str) -> None:
    assert ago(NOW - seconds, NOW) == expected
    assert ago(None, NOW) == "-"


def test_a_time_that_is_not_one_is_none() -> None:
    assert seconds_of("soon") is None
    assert seconds_of("1970-01-01T00:00:10Z") == 10.0


def test_colours_need_a_terminal_and_no_no_color(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    styled = list(status.report("cameras", [row()], NOW, wide=False))[-1]
    assert "\x1b[32mgood\x1b[0m" in styled
    echo(styled)
    assert "\x1b" not in capsys.readouterr().out
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda *_: False)
    echo(styled)
    assert "\x1b" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda _stream, color: color is False)
    echo(styled)
    assert "\x1b" not in capsys.readouterr().out


def test_a_release_has_one_line_and_what_is_known_of_it_below() -> None:
    release = KeptRelease(
        id="0b6c5d5e-3f0e-4a51-9b0e-0123456789ab",
        created="2027-01-15T04:00:00Z",
        status="COMPLETED",
        model_digest=DIGEST,
        proven="2027-01-15T04:02:00Z 3 of 3 reachable devices run the release",
        stopped=None,
        by_hand=None,
        rolled_back=None,
        retry=None,
    )
    shown = list(releases.report("cameras", [release], NOW, wide=False))
    assert shown[0] == "cameras: 1 deployment, newest first"
    assert shown[2].split("  ") == [
        "0b6c5d5e-3f0e-4a51-9b0e-0123456789ab", "4 h ago", "COMPLETED", "63870608181d"
    ]  # fmt: skip
    assert shown[3] == f"  {release.proven}"
    assert all(len(line) <= 80 for line in shown)
    assert DIGEST in list(releases.report("cameras", [release], NOW, wide=True))[-1]
    again = replace(release, retry="2027-01-15T04:00:00Z 1 not there  camera-1 : no network")
    assert list(releases.report("cameras", [again], NOW, wide=False))[3] == (
        f"  {release.proven}; second attempt: {again.retry}"
    )
