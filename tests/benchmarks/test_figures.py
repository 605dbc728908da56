"""The page of figures keeps what was not measured again."""

import pytest

from benchmarks.daily.figures import Part, at_most, in_page, plain

PAGE = """# Page

<!-- measured: begin -->
<!-- measured: end -->

After.
"""


def test_a_part_measured_again_replaces_its_own_section_alone() -> None:
    first = Part("One", "About one.", [plain("a", 1, "s")])
    second = Part("Two", "About two.", [at_most("b", 3, 2)])
    page = in_page(PAGE, [first, second], "Machine A.")
    again = in_page(page, [Part("One", "About one.", [plain("a", 2, "s")])], "Machine B.")
    assert again == page.replace("Machine A.", "Machine B.").replace("1.00 s", "2.00 s")
    assert "| b | 3.00 x | ≤ 2 x | **not met** |" in again
    assert again.startswith("# Page")
    assert again.endswith("After.\n")


def test_a_page_without_a_place_for_figures_is_refused() -> None:
    with pytest.raises(ValueError, match="no lines"):
        in_page("# Page", [], "Machine.")
