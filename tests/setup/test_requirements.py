import ast
import importlib.metadata
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from workspace.problem import SetupProblem
from workspace.requirements import check_choices, combined_requirements, package_name, requirement_files

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "requirements"
SETUP = ROOT / "src/spirl_ros/setup.py"


def pins(*names):
    """Requirement lines of some files, or of all."""
    files = [FOLDER / f"{name}.txt" for name in names] or sorted(FOLDER.glob("*.txt"))
    return [Requirement(line) for file in files for line in file.read_text().splitlines() if package_name(line)]


def test_every_requirement_is_one_exact_version():
    for requirement in pins():
        assert re.fullmatch(r"==[0-9][0-9a-z.]*", str(requirement.specifier)), requirement


def test_no_requirement_file_names_an_address_or_an_index():
    for file in FOLDER.glob("*.txt"):
        assert not re.search(r"://|^\s*-|@", file.read_text(), re.MULTILINE), file


@pytest.mark.parametrize("python_version", ["3.10", "3.11", "3.12", "3.13"])
def test_files_agree_on_one_version_of_each_package(python_version):
    versions = {}
    for requirement in pins():
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python_version}):
            versions.setdefault(canonicalize_name(requirement.name), set()).add(str(requirement.specifier))
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_only_training_installs_torch():
    assert [requirement.name for requirement in pins() if requirement.name == "torch"] == ["torch"]
    assert "torch" in [requirement.name for requirement in pins("train")]


@pytest.mark.parametrize(("kind", "package"), [("cpu", "onnxruntime"), ("gpu", "onnxruntime-gpu")])
def test_exactly_one_onnxruntime_is_installed(kind, package):
    files = requirement_files(FOLDER, frozenset({"sim", "dev"}), kind, with_ros=True, with_colcon=True)
    names = {package_name(line) for line in combined_requirements(files, "", frozenset()).splitlines()}
    assert names & {"onnxruntime", "onnxruntime-gpu"} == {package}


def test_another_mujoco_replaces_the_pinned_one():
    text = combined_requirements([FOLDER / "sim.txt"], "4.0.0", frozenset())
    assert re.findall(r"^mujoco==.*$", text, re.MULTILINE) == ["mujoco==4.0.0"]


def test_what_the_distribution_provides_is_left_out():
    text = combined_requirements([FOLDER / "robot.txt"], "", frozenset({"numpy"}))
    names = {package_name(line) for line in text.splitlines()}
    assert {"pyyaml", "setuptools"} <= names and "numpy" not in names


def test_robot_extra_of_the_package_installs_no_torch():
    keywords = {
        node.arg: node.value for node in ast.walk(ast.parse(SETUP.read_text())) if isinstance(node, ast.keyword)
    }
    extras = ast.literal_eval(keywords["extras_require"])
    robot = extras["robot"] + ast.literal_eval(keywords["install_requires"])
    assert not {"torch", "onnxruntime-gpu"} & {Requirement(line).name for line in robot}


def test_unknown_extra_is_refused():
    with pytest.raises(SetupProblem, match="There are sim, dev, train, video, bench"):
        check_choices(frozenset({"robot"}), "cpu")


def test_package_extras_allow_the_pinned_versions():
    tree = ast.parse(SETUP.read_text())
    keywords = {node.arg: node.value for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    ranges = ast.literal_eval(keywords["extras_require"])
    ranges["robot"] += ast.literal_eval(keywords["install_requires"])
    for name, requirements in ranges.items():
        for requirement in map(Requirement, requirements):
            pinned = [pin for pin in pins(name, "onnxruntime-cpu") if pin.name == requirement.name]
            assert pinned, f"{requirement.name} of {name} is not pinned"
            for pin in pinned:
                assert requirement.specifier.contains(str(pin.specifier).removeprefix("=="))


def test_what_installed_pins_depend_on_is_pinned():
    pinned = {}
    for requirement in pins():
        pinned.setdefault(canonicalize_name(requirement.name), []).append(requirement.specifier)
    unpinned = []
    for name, specifiers in pinned.items():
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if not any(specifier.contains(distribution.version) for specifier in specifiers):
            # Another version on purpose, for example mujoco 4, or the ROS distribution's own.
            continue
        for dependency in map(Requirement, distribution.requires or []):
            is_wanted = dependency.marker is None or dependency.marker.evaluate({"extra": ""})
            if is_wanted and canonicalize_name(dependency.name) not in pinned and name != "torch":
                unpinned.append(f"{name} needs {dependency.name}")
    assert unpinned == []
