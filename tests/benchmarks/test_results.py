"""An update does not change the sections of a page that were not measured again."""

import pytest

from benchmarks.daily.results import Section, bounded_row, row, update_page

PAGE = """# Page

<!-- measured: begin -->
<!-- measured: end -->

After.
"""


def test_a_section_measured_again_replaces_only_itself() -> None:
    first = Section("One", "About one.", [row("a", 1, "s")])
    second = Section("Two", "About two.", [bounded_row("b", 3, 2)])
    page = update_page(PAGE, [first, second], "Machine A.")
    again = update_page(page, [Section("One", "About one.", [row("a", 2, "s")])], "Machine B.")
    assert again == page.replace("Machine A.", "Machine B.").replace("1.00 s", "2.00 s")
    assert "| b | 3.00 x | ≤ 2 x | **not met** |" in again
    assert again.startswith("# Page")
    assert again.endswith("After.\n")


def test_a_page_without_markers_is_rejected() -> None:
    with pytest.raises(ValueError, match="measured: begin"):
        update_page("# Page", [], "Machine.")
