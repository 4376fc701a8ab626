"""What a benchmark found: for people, for machines, and for the documentation."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from benchmarks.machine import machine_line
from spirl_ros.errors import ConfigError


class Figures:
    """A result. Its dataclass has the figures as fields, `machine` among them, and lays them out in `rows`."""

    machine: dict[str, object]

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)  # type: ignore[call-overload]

    def rows(self) -> list[str]:
        """Lines of Markdown tables."""
        raise NotImplementedError

    def note(self) -> str:
        """How it was measured; stands in front of the machine."""
        return ""

    def table(self) -> str:
        """The result in Markdown, with the machine below it."""
        below = "; ".join(part for part in (self.note(), machine_line(self.machine)) if part)
        return "\n".join([*self.rows(), "", below])


def write_into_page(page: Path, sections: Mapping[str, str]) -> None:
    """Put results between their marks in a Markdown page, in place of what stood there; the rest stays.

    A section is everything between `<!-- NAME -->` and `<!-- end of NAME -->`. What has no marks yet goes to the end,
    and a page that is not there is begun.

    Raises:
        ConfigError: the page cannot be read or written, or a mark has no end; the page is as it was.
    """
    try:
        text = page.read_text(encoding="utf-8") if page.exists() else "# Benchmarks\n"
        temporary = page.with_name(f".{page.name}.writing")
        temporary.write_text(_with_sections(text, sections), encoding="utf-8")
        temporary.rename(page)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{page} cannot be written: {error}. Expected a Markdown file in a folder of yours."
        ) from error


def _with_sections(text: str, sections: Mapping[str, str]) -> str:
    for name, section in sections.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        if (begin in text) != (end in text):
            raise ConfigError(f"the page has only one of '{begin}' and '{end}', expected both or none.")
        marked = f"{begin}\n{section.strip()}\n{end}"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        text, count = pattern.subn(lambda _, marked=marked: marked, text)
        if count == 0:
            text = f"{text.rstrip()}\n\n## {name}\n\n{marked}\n"
    return text
