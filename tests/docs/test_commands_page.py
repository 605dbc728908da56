"""Check that docs/commands.md contains the output of `--help`."""

import pytest

from tools import command_reference


@pytest.mark.process
def test_the_page_is_generated_from_the_commands() -> None:
    committed = command_reference.PAGE.read_text(encoding="utf-8")
    assert committed == command_reference.page(), "run `make reference`"
