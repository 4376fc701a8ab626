"""package.xml as the ROS tools read it, and what it says twice with setup.py."""

import ast
from pathlib import Path

import pytest

package_xml = pytest.importorskip("catkin_pkg.package")

SOURCES = Path(__file__).resolve().parents[2] / "src"


@pytest.mark.parametrize("name", ["spirl_ros", "spirl_msgs"])
def test_package_xml_is_valid_without_a_warning(name: str) -> None:
    warnings: list[str] = []
    package = package_xml.parse_package(SOURCES / name, warnings=warnings)
    package.validate(warnings)
    assert warnings == []
    assert package.name == name and package.package_format == 3


def test_setup_and_package_xml_agree() -> None:
    package = package_xml.parse_package(SOURCES / "spirl_ros")
    tree = ast.parse((SOURCES / "spirl_ros" / "setup.py").read_text())
    keywords = {node.arg: node.value for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    assert ast.literal_eval(keywords["version"]) == package.version
    assert [ast.literal_eval(keywords["license"])] == package.licenses
