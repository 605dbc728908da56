"""Check that the ports, options, names and errors in docs/real-device.md match the code."""

import fnmatch
import re
import shlex
from pathlib import Path

import click

from local_aws.cli import main, up
from local_aws.devices.access import STANDARD, aws_host_names, device_access

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/real-device.md").read_text(encoding="utf-8")


def test_the_table_of_ports_has_the_fixed_ones() -> None:
    assert re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE) == STANDARD.split(",")


def test_each_option_of_the_page_is_an_option_of_the_command() -> None:
    options = {option for parameter in up.params for option in parameter.opts}
    described = re.findall(r"^\| `(--device-[\w-]+)` \|", PAGE, re.MULTILINE)
    assert len(described) == 3
    assert set(described) <= options


def test_each_command_that_starts_the_emulator_has_valid_values() -> None:
    commands = re.findall(r"^deeplens local up (--device.*)$", PAGE, re.MULTILINE)
    assert len(commands) == 3
    for words in commands:
        group = click.Context(main, **main.context_settings)
        values = up.make_context("up", shlex.split(words), parent=group).params
        device_access(
            values["device_ports"],
            values["device_host"] or "localhost",
            values["device_address"] or "127.0.0.1",
        )


def test_the_names_for_etc_hosts_are_in_the_certificate() -> None:
    names = re.findall(r"^127\.0\.0\.1 (\S+)$", PAGE, re.MULTILINE)
    assert len(names) == 2
    for name in names:
        assert any(fnmatch.fnmatchcase(name, pattern) for pattern in aws_host_names())


def test_the_quoted_errors_are_those_of_the_code() -> None:
    sources = "".join(
        (ROOT / f"local_aws/{name}.py").read_text(encoding="utf-8")
        for name in ("cli", "devices/access", "gateway/request_filter")
    )
    for part in ("is in use", "needs root", "without these device ports",
                 "is not a host name of the emulator: expected",
                 "BUCKET.s3.REGION.amazonaws.com of a bucket that exists"):  # fmt: skip
        assert part in PAGE
        assert part in sources


def test_each_link_leads_to_a_page_or_a_heading_of_this_one() -> None:
    anchors = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        if target.startswith("#"):
            assert target[1:] in anchors
        elif not target.startswith("https://"):
            assert (ROOT / "docs" / target.partition("#")[0]).is_file()
