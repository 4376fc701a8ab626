"""What uv is told of pip's settings."""

import sys
from pathlib import Path

from workspace.pip_settings import read_settings, settings_for_uv


def test_what_the_shell_says_counts_before_files_and_the_rest_is_left_out() -> None:
    listing = """:env:.find-links='/shell/wheels'
global.find-links='/one /two'
global.index-url='file:///index'
install.progress-bar='off'
"""
    assert read_settings(listing) == {"UV_FIND_LINKS": "/shell/wheels", "UV_DEFAULT_INDEX": "file:///index"}
    assert read_settings("global.find-links='/one\\n/two'") == {"UV_FIND_LINKS": "/one,/two"}
    assert read_settings("") == {}


def test_pip_itself_is_asked(tmp_path: Path) -> None:
    settings = tmp_path / "pip.conf"
    settings.write_text("[global]\nindex-url = file:///index\n")
    asked = settings_for_uv(Path(sys.executable), {"PATH": "/usr/bin", "PIP_CONFIG_FILE": str(settings)})
    assert asked["UV_DEFAULT_INDEX"] == "file:///index"
    assert settings_for_uv(tmp_path / "absent", {}) == {}
