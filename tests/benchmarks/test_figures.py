"""Results in a Markdown page."""

from pathlib import Path

import pytest

from benchmarks.figures import write_into_page
from spirl_ros.errors import ConfigError


def test_section_replaces_only_what_stands_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a -->\nold \\1\n<!-- end of a -->\nafter\n")
    write_into_page(page, {"a": "| new \\1 |"})
    assert page.read_text() == "before\n<!-- a -->\n| new \\1 |\n<!-- end of a -->\nafter\n"


def test_section_without_marks_goes_to_the_end_of_a_page_that_need_not_exist(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    for text in ("one", "two"):
        write_into_page(page, {"a": text})
    assert page.read_text() == "# Benchmarks\n\n## a\n\n<!-- a -->\ntwo\n<!-- end of a -->\n"


def test_page_with_half_a_mark_is_refused_and_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- a -->\nimportant")
    with pytest.raises(ConfigError, match="end of a"):
        write_into_page(page, {"a": "new"})
    assert page.read_text() == "<!-- a -->\nimportant"
    assert list(tmp_path.iterdir()) == [page]


def test_page_in_no_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        write_into_page(tmp_path / "missing" / "page.md", {"a": "new"})
