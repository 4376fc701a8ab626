import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from spirl_ros.demonstrations import collect as collect_module
from spirl_ros.demonstrations import collection as collection_module
from spirl_ros.demonstrations.collect import Amount, collect
from spirl_ros.demonstrations.collection import (
    Chain,
    CollectionConfig,
    RecordedChain,
    draw_chain,
    outcomes,
    record_chain,
)
from spirl_ros.demonstrations.dataset import dataset_digest
from spirl_ros.demonstrations.storage import read_dataset, write_dataset
from spirl_ros.demonstrations.unfinished_collection import CHAINS_PER_FILE, UnfinishedCollection
from spirl_ros.errors import ConfigError, DatasetError
from spirl_ros.kitchen.environment import KitchenConfig, KitchenEnvironment
from spirl_ros.kitchen.subtasks import TASKS
from spirl_ros.tasks import families
from tests.demonstrations.small_dataset import assert_same_episode, make_dataset, make_episode

CONFIG = CollectionConfig(seed=3)


@pytest.fixture(scope="module")
def recorded() -> RecordedChain:
    return next(outcome for i in range(10) if (outcome := record_chain(CONFIG, i)).episode is not None)


def failed_chains(count: int):
    for index in range(count):
        yield RecordedChain(index, 280, None, "failed")


def fake_outcomes(config, first, workers):
    """Every third chain fails."""
    index = first
    while True:
        episode = None if index % 3 == 2 else make_episode(2 + index % 5, index)
        yield RecordedChain(index, 10, episode, "" if episode else "failed")
        index += 1


def test_no_chain_of_the_mixed_split_is_the_target():
    chains = [draw_chain(CONFIG, index) for index in range(400)]
    assert all(len(set(chain.subtasks)) == 4 for chain, _ in chains)
    assert not any(set(chain.subtasks) == set(TASKS["kitchen"]) for chain, _ in chains)
    assert set().union(*(chain.subtasks for chain, _ in chains)) == set(TASKS["kitchen_all"])
    noise = [style.action_noise for _, style in chains]
    assert 0.05 <= min(noise) < 0.06 < 0.24 < max(noise) <= 0.25
    assert len({chain.seed for chain, _ in chains}) == 400


def test_chain_depends_on_seed_and_index_only():
    assert draw_chain(CONFIG, 5) == draw_chain(CONFIG, 5)
    assert draw_chain(CONFIG, 5) != draw_chain(CONFIG, 6)
    assert draw_chain(CONFIG, 5) != draw_chain(CollectionConfig(seed=4), 5)


def test_chain_is_the_same_with_another_processors_arithmetic():
    """Products were OpenBLAS's, whose routine depends on the processor: seed 0 had another digest on every kind of
    them."""
    code = (
        "from spirl_ros.demonstrations.collection import CollectionConfig, record_chain\n"
        "from spirl_ros.demonstrations.dataset import dataset_digest\n"
        "print(dataset_digest([record_chain(CollectionConfig(), 1).episode]))"
    )
    # Of 2008, 2011 and 2013: without and with AVX, and with FMA. Elsewhere than on x86-64 these change nothing.
    routines = ("Nehalem", "Sandybridge", "Haswell")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "OPENBLAS_CORETYPE": name},
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in routines
    ]
    digests = {process.communicate(timeout=300)[0] for process in processes}
    assert len(digests) == 1 and len(digests.pop()) == 65


def test_complete_split_does_the_target_in_order():
    assert draw_chain(CollectionConfig(split="complete"), 0)[0].subtasks == TASKS["kitchen"]


def test_recording_holds_what_happened(recorded):
    episode, metadata = recorded.episode, recorded.episode.metadata
    environment = KitchenEnvironment(KitchenConfig(task=",".join(metadata.task), count="any"))
    observations = [environment.reset(metadata.seed)]
    rewards = []
    for action in episode.executed_actions:
        result = environment.step(action)
        observations.append(result.observation)
        rewards.append(result.reward)
    np.testing.assert_array_equal(episode.observations, observations)
    np.testing.assert_array_equal(episode.rewards, rewards)
    assert metadata.completed_at_step == environment.progress.completed_at_step
    assert set(metadata.task) <= set(metadata.completed_at_step)
    assert episode.terminated and not episode.truncated
    assert metadata.joint_units == ("rad",) * 7 + ("m",) * 2


def test_injected_noise_is_on_the_executed_arm_actions_only(recorded):
    episode = recorded.episode
    noise = episode.executed_actions - episode.actions
    assert (noise[:, 7:] == 0.0).all()
    # Clipping to [-1, 1] makes the noise smaller where the arm moves fast.
    assert 0.3 < noise[:, :7].std() / episode.metadata.operator_style.action_noise < 1.2


def test_result_does_not_depend_on_the_number_of_workers():
    generators = [outcomes(CONFIG, 0, workers) for workers in (1, 2)]
    for _ in range(2):
        one, other = (next(generator) for generator in generators)
        assert (one.index, one.steps, one.dropped_because) == (other.index, other.steps, other.dropped_because)
        assert (one.episode is None) == (other.episode is None)
        if one.episode is not None and other.episode is not None:
            assert_same_episode(one.episode, other.episode)
    for generator in generators:
        generator.close()


def test_workers_end_when_their_parent_is_killed():
    """They waited forever for chains from a parent that `kill -9` had ended."""
    code = (
        "import multiprocessing, sys\n"
        "from spirl_ros.demonstrations.collection import CollectionConfig, outcomes\n"
        "if __name__ == '__main__':\n"
        "    chains = outcomes(CollectionConfig(max_steps=5), 0, 2)\n"
        "    next(chains)\n"
        "    print(*(child.pid for child in multiprocessing.active_children()), flush=True)\n"
        "    sys.stdin.read()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdin is not None and parent.stdout is not None
    assert len(parent.stdout.readline().split()) == 2
    parent.kill()
    parent.wait()
    # The pipe ends when nobody holds it any more, and each worker does while it lives.
    assert parent.stdout.read() == ""


def test_chain_that_fails_is_dropped():
    outcome = record_chain(CollectionConfig(max_steps=20), 0)
    assert outcome.episode is None
    assert (outcome.steps, outcome.dropped_because) == (20, "failed")


def test_episode_that_completes_the_target_by_accident_is_dropped_from_the_mixed_split(recorded, monkeypatch):
    """No chain that is drawn asks for the target, so the accident is a chain that does although it was not drawn."""
    metadata = recorded.episode.metadata
    config = CollectionConfig(seed=3, task=",".join(metadata.task[1:3]))
    assert all(not set(metadata.task[1:3]) <= set(draw_chain(config, i)[0].subtasks) for i in range(50))
    accident = (Chain(metadata.task, metadata.seed), metadata.operator_style)
    monkeypatch.setattr(collection_module, "draw_chain", lambda *_: accident)
    outcome = record_chain(config, recorded.index)
    assert (outcome.episode, outcome.dropped_because) == (None, "completed the target")
    assert outcome.steps == recorded.steps  # the same episode, which is kept where it is no accident
    assert record_chain(replace(config, task="kitchen_all"), recorded.index).episode is not None
    assert record_chain(replace(config, split="complete"), recorded.index).episode is not None


def test_collecting_goes_on_until_there_are_enough_episodes_and_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(collect_module, "outcomes", fake_outcomes)
    result = collect(tmp_path / "data", CONFIG, Amount(episodes=3, steps=20))
    # Chains 0 1 3 4 6 7 are kept, with 2 3 5 6 3 4 steps: 2 + 3 + 5 + 6 = 16 < 20, and with chain 6 it is 19, then 23.
    assert [one.metadata.seed for one in result.dataset.episodes] == [0, 1, 3, 4, 6, 7]
    assert result.dataset.origin["dropped"] == {"failed": 2}
    assert read_dataset(tmp_path / "data").steps == 23
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("interrupted_after", [1, CHAINS_PER_FILE, CHAINS_PER_FILE + 3])
def test_interrupted_collection_is_continued_to_the_same_result(tmp_path, monkeypatch, interrupted_after):
    begun = Counter()

    def interrupted_outcomes(config, first, workers):
        for outcome in fake_outcomes(config, first, workers):
            if outcome.index == interrupted_after and not begun["again"]:
                raise KeyboardInterrupt
            begun[outcome.index] += 1
            yield outcome

    monkeypatch.setattr(collect_module, "outcomes", interrupted_outcomes)
    amount = Amount(episodes=30, steps=0)
    with pytest.raises(KeyboardInterrupt):
        collect(tmp_path / "data", CONFIG, amount)
    assert [path.name for path in tmp_path.iterdir()] == ["data.unfinished"]
    with pytest.raises(DatasetError, match="interrupted collection. Add --resume"):
        collect(tmp_path / "data", CONFIG, amount)
    with pytest.raises(DatasetError, match="was started with seed 3, not 4"):
        collect(tmp_path / "data", CollectionConfig(seed=4), amount, resume=True)
    begun["again"] = 1
    resumed = collect(tmp_path / "data", CONFIG, amount, resume=True)
    monkeypatch.setattr(collect_module, "outcomes", fake_outcomes)
    assert resumed.digest == collect(tmp_path / "whole", CONFIG, amount).digest
    assert max(begun.values()) == 1  # nothing was simulated twice


def test_file_that_a_crash_left_half_written_does_not_matter(tmp_path, monkeypatch):
    monkeypatch.setattr(collect_module, "outcomes", fake_outcomes)
    whole = collect(tmp_path / "whole", CONFIG, Amount(5, 0))
    (tmp_path / "data.unfinished").mkdir()
    (tmp_path / "data.unfinished" / "chains-000000.writing").write_text("half")
    (tmp_path / "data.unfinished" / "collection.writing").write_text("{")
    assert collect(tmp_path / "data", CONFIG, Amount(5, 0), resume=True).digest == whole.digest


def test_second_collection_into_the_same_folder_is_refused_while_the_first_runs(tmp_path):
    """The second one read `.unfinished` as a leftover, and advised to resume or to delete it."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from spirl_ros.demonstrations.collection import CollectionConfig\n"
        "from spirl_ros.demonstrations.unfinished_collection import UnfinishedCollection\n"
        "unfinished = UnfinishedCollection(Path(sys.argv[1]), CollectionConfig(seed=3))\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "data.unfinished")]
    first = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None and first.stdout.readline() == "ready\n"
    for resume in (False, True):
        with pytest.raises(DatasetError, match="another process is collecting into .*data.unfinished right now"):
            collect(tmp_path / "data", CONFIG, Amount(1, 0), resume=resume)
    first.kill()
    first.wait()
    with pytest.raises(DatasetError, match="Add --resume"):  # the kernel has freed it
        collect(tmp_path / "data", CONFIG, Amount(1, 0))


def test_folder_is_free_again_after_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(collect_module, "outcomes", lambda *_: failed_chains(60))
    with pytest.raises(DatasetError, match="of use"):
        collect(tmp_path / "data", CONFIG, Amount(5, 0))
    with pytest.raises(DatasetError, match="Add --resume"):
        collect(tmp_path / "data", CONFIG, Amount(5, 0))


def test_crash_between_finishing_and_cleaning_up_is_mended_by_resume(tmp_path, monkeypatch):
    monkeypatch.setattr(collect_module, "outcomes", fake_outcomes)

    def crash(*_):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(collect_module.UnfinishedCollection, "delete", crash)
        with pytest.raises(SystemExit):
            collect(tmp_path / "data", CONFIG, Amount(5, 0))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "data.unfinished"]
    with pytest.raises(DatasetError, match="Add --resume"):
        collect(tmp_path / "data", CONFIG, Amount(5, 0))
    mended = collect(tmp_path / "data", CONFIG, Amount(5, 0), resume=True)
    assert (len(mended.dataset.episodes), mended.new_steps) == (5, 0)
    assert mended.digest == dataset_digest(mended.dataset.episodes)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_dataset_that_is_not_the_leftovers_own_is_left_untouched(tmp_path, monkeypatch):
    monkeypatch.setattr(collect_module, "outcomes", fake_outcomes)
    UnfinishedCollection(tmp_path / "data.unfinished", CONFIG).close()
    digest = write_dataset(tmp_path / "data", make_dataset())
    with pytest.raises(DatasetError, match="is not what .*data.unfinished makes"):
        collect(tmp_path / "data", CONFIG, Amount(5, 0), resume=True)
    assert dataset_digest(read_dataset(tmp_path / "data").episodes) == digest


def test_truncated_file_of_an_interrupted_collection_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(collect_module, "outcomes", fake_outcomes)
    unfinished = UnfinishedCollection(tmp_path / "data.unfinished", CONFIG)
    for outcome in islice(fake_outcomes(CONFIG, 0, 1), CHAINS_PER_FILE):
        unfinished.add(outcome)
    unfinished.close()
    path = tmp_path / "data.unfinished" / "chains-000000.hdf5"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DatasetError, match=f"{path} cannot be read.*truncated"):
        collect(tmp_path / "data", CONFIG, Amount(50, 0), resume=True)


def test_operator_that_nearly_always_fails_ends_the_collection(tmp_path, monkeypatch):
    monkeypatch.setattr(collect_module, "outcomes", lambda *_: failed_chains(10_000))
    with pytest.raises(DatasetError, match="only 0 of 50 chains are of use"):
        collect(tmp_path / "data", CONFIG, Amount(5, 0))


def test_existing_dataset_is_left_untouched(tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(DatasetError, match="exists already"):
        collect(tmp_path / "data", CONFIG, Amount(1, 0))


def test_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DatasetError, match="file/data.unfinished/collection.json cannot be written"):
        collect(tmp_path / "file" / "data", CONFIG, Amount(1, 0))


@pytest.mark.parametrize(
    ("name", "value"), [("split", "partial"), ("seed", -1), ("noise", (0.3, 0.1)), ("task", "dishes")]
)
def test_impossible_settings_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} is"):
        CollectionConfig(**{name: value})


def test_random_chains_that_would_always_do_everything_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing one that does not would never end."""
    monkeypatch.setitem(families._OURS, "small", "tests.tasks.small_family:SMALL")
    with pytest.raises(ConfigError, match="every chain of small has all its subtasks. Choose --split complete"):
        CollectionConfig("small")
    config = CollectionConfig("small:out_in", split="complete")
    assert config.max_steps == 90
    episode = record_chain(config, 0).episode
    assert episode is not None and list(episode.metadata.completed_at_step) == ["out", "in"]


def test_a_family_that_nobody_demonstrates_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(families._OURS, "alone", "tests.tasks.small_family:ALONE")
    with pytest.raises(ConfigError, match="alone has no simulator. Import demonstrations"):
        record_chain(CollectionConfig("alone", split="complete"), 0)
