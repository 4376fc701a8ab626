"""Links between the pages of the documentation lead somewhere, and what they name of the repository is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "spirl_ros"
PAGES = [ROOT / "README.md", ROOT / "models" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def text_of(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors_of(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if link.startswith("https://"):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), f"{link} is not there"
        assert not anchor or anchor in anchors_of(target), f"{link}: expected one of {sorted(anchors_of(target))}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_named_are_there(page: Path) -> None:
    """A page once sent readers to a folder of recipes that had been moved."""
    for name in re.findall(
        r"`(?:spirl_ros/)?([\w./]+/[\w.]+\.py|(?:src|tests|docs|workspace)/[\w./]+)`", text_of(page)
    ):
        assert any((folder / name).exists() for folder in (ROOT, PACKAGE / "spirl_ros")), f"{name} is not there"


def test_every_page_is_reached_from_the_readme() -> None:
    reached, left = set(), [ROOT / "README.md"]
    while left:
        page = left.pop()
        reached.add(page)
        links = re.findall(r"\]\(([\w./]+\.md)[^)]*\)", text_of(page))
        left += [target for link in links if (target := (page.parent / link).resolve()) not in reached]
    assert not set((ROOT / "docs").glob("*.md")) - reached


def test_every_folder_of_the_package_is_on_the_code_map() -> None:
    code_map = (ROOT / "docs" / "code_map.md").read_text(encoding="utf-8")
    for folder in (path.parent.name for path in (PACKAGE / "spirl_ros").glob("*/__init__.py")):
        assert f"…/{folder}`" in code_map or f"spirl_ros/{folder}`" in code_map, f"{folder} is missing"
