"""Bags are found wherever they lie, and their metadata.yaml says where their files are, whoever wrote it."""

from pathlib import Path

import pytest
import yaml

from spirl_ros.errors import ConfigError
from spirl_ros.recording.bag_metadata import bag_files, find_bags, qos_from_text, qos_profile, qos_text
from tests.recording.small_bag import TOPICS, begin


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_loose_and_nested_bags_are_found(tmp_path) -> None:
    """Only folders with metadata.yaml right below the one that was named were found."""
    for name in (
        *(
            "loose.mcap",
            "whole.mcap.zstd",
            "monday/a.mcap",
            "monday/deep/er/b/metadata.yaml",
            "monday/deep/er/b/b_0.mcap",
        ),
        *("tuesday/metadata.yaml", "tuesday/tuesday_0.mcap", "tuesday/inside/c.mcap"),
        *(".hidden/metadata.yaml", ".episode_000009.recording/episode_000009_0.mcap", "monday/.part.mcap"),
        *("episode_000003.damaged/episode_000003_0.mcap", "episode_000003.damaged-2/x.mcap", "notes.txt"),
    ):
        touch(tmp_path / name)
    (tmp_path / "linked").symlink_to(tmp_path / "tuesday")
    (tmp_path / "loop").symlink_to(tmp_path)
    names = ("linked", "loose.mcap", "monday/a.mcap", "monday/deep/er/b", "tuesday", "whole.mcap.zstd")
    assert find_bags(tmp_path) == [tmp_path / name for name in names]
    assert find_bags(tmp_path / "tuesday") == [tmp_path / "tuesday"]
    assert find_bags(tmp_path / "whole.mcap.zstd") == [tmp_path / "whole.mcap.zstd"]
    assert find_bags(tmp_path / "notes.txt") == [] == find_bags(tmp_path / "nothing")


def test_metadata_is_written_without_aliases_and_read_with_them(tmp_path) -> None:
    """What two topics had in common was an alias, which strict readers refuse; older bags of ours have them."""
    begin(tmp_path / "bag", 3).finish({})
    text = (tmp_path / "bag" / "metadata.yaml").read_text()
    assert not any("&" in line or "*" in line for line in text.splitlines())
    assert bag_files(tmp_path / "bag" / "metadata.yaml") == ("mcap", ["bag_0.mcap"])
    shared = qos_profile()
    older = yaml.safe_load(text) | {"qos": [shared, shared]}
    (tmp_path / "metadata.yaml").write_text(yaml.safe_dump(older))
    assert "*id001" in (tmp_path / "metadata.yaml").read_text()
    assert bag_files(tmp_path / "metadata.yaml") == ("mcap", ["bag_0.mcap"])


def test_quality_of_service_comes_back_from_its_text() -> None:
    profiles = (*TOPICS[0].offered_qos, *TOPICS[0].offered_qos)
    text = qos_text(profiles)
    assert "&" not in text and qos_from_text(text) == profiles
    assert qos_from_text("a: [") == qos_from_text("a: &a [1]\nb: *a") == qos_from_text("") == ()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("", "lacks relative_file_paths"),
        ("relative_file_paths: []", "is \\[\\], expected a list"),
        ("relative_file_paths: a.mcap", "is \\[\\], expected a list"),
        ("relative_file_paths: [a.mcap, b.mcap, a.mcap]", "expected a list of file names"),
        ("relative_file_paths: [[a.mcap]]", "where a name was expected"),
    ],
)
def test_metadata_that_names_no_files_is_told(tmp_path, files: str, message: str) -> None:
    metadata = tmp_path / "metadata.yaml"
    metadata.write_text(f"rosbag2_bagfile_information:\n  storage_identifier: mcap\n  {files}\n")
    with pytest.raises(ConfigError, match=f"metadata.yaml is not the metadata of a bag: .*{message}"):
        bag_files(metadata)
