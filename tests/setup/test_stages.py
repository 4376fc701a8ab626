"""The stages with a fake pip and colcon: what runs, and what a run that was cut short leaves to the next one."""

from contextlib import contextmanager
from dataclasses import replace

import pytest

from workspace.distribution import Distribution
from workspace.plan import make_plan
from workspace.problem import SetupProblem
from workspace.progress import Progress
from workspace.stages import Setup, is_current
from workspace.state import load_state


class Killed(BaseException):
    """Stands for a kill: nothing of the set-up catches it."""


class FakeCommands(Progress):
    """Takes the place of `Progress`: writes what the commands would leave, and stops in one of them when asked to."""

    def __init__(self, venv):
        self.venv = venv
        self.calls = []
        self.stop = {}
        self._stage, self._began_s = "packages", 0.0  # for `note`

    @contextmanager
    def stage(self, name):
        yield

    def run(self, command, environment, folder):
        name = self.name_of(command)
        self.calls.append(name)
        if name in self.stop:
            raise self.stop[name]
        if name == "venv":
            (self.venv / "bin").mkdir()
            (self.venv / "bin" / "python").touch()
        if name == "pip editable":
            (self.venv / "bin" / "spirl").touch()
        if name.startswith("colcon "):
            share = self.venv / "colcon/install" / name.split()[1] / "share" / name.split()[1]
            share.mkdir(parents=True)
            (share / "package.xml").touch()

    @staticmethod
    def name_of(command):
        if "venv" in command:
            return "venv"
        if "colcon" in command:
            return f"colcon {command[command.index('--packages-select') + 1]}"
        if "uv" in command:
            return "uv probe" if "--dry-run" in command else "uv install" if "--requirement" in command else "uv torch"
        if "--editable" in command:
            return "pip editable"
        return "pip uv" if str(command[-1]).endswith("uv.txt") else f"pip {command[3]}"


ALL = ["venv", "pip uv", "uv install", "colcon spirl_msgs", "pip editable", "colcon spirl_ros"]


@pytest.fixture
def workplace(clone):
    class Workplace:
        venv = clone / ".venv"
        distribution = None
        commands = FakeCommands(venv)

        def plan(self, extras=("sim",), onnxruntime="cpu", torch="cpu"):
            plan = make_plan(clone, self.venv, frozenset(extras), "", onnxruntime, {"PATH": "/usr/bin"})
            return replace(plan, torch=torch, distribution=self.distribution)  # whatever this machine has

        def run(self, stop=None, **choices):
            """Run the set-up and return the commands that it ran."""
            self.commands.calls, self.commands.stop = [], stop or {}
            Setup(self.plan(**choices), self.commands, {"PATH": "/usr/bin"}).run()
            return self.commands.calls

        def is_current(self, **choices):
            return is_current(self.plan(**choices), load_state(self.venv))

    return Workplace()


def test_first_run_does_everything_and_the_second_nothing(workplace):
    assert not workplace.is_current()
    assert workplace.run() == ALL
    assert workplace.is_current()
    assert workplace.run() == []


@pytest.mark.parametrize(
    ("killed_in", "repaired_by"),
    [
        ("venv", ALL),
        ("uv install", ALL),
        ("colcon spirl_msgs", ALL[3:]),
        ("pip editable", ALL[4:]),
        ("colcon spirl_ros", ALL[4:]),
    ],
)
def test_killed_run_is_repaired_by_the_next(workplace, killed_in, repaired_by):
    with pytest.raises(Killed):
        workplace.run(stop={killed_in: Killed()})
    assert not workplace.is_current()
    assert workplace.run() == repaired_by
    assert workplace.is_current()


def test_killed_update_of_packages_makes_the_environment_anew(workplace):
    workplace.run()
    with pytest.raises(Killed):
        workplace.run(stop={"uv install": Killed()}, extras=("sim", "dev"))
    assert workplace.run(extras=("sim", "dev")) == ALL


def test_failed_download_leaves_what_was_there_usable(workplace):
    workplace.run()
    offline = SetupProblem("no network")
    offline.output = "Connection refused"
    with pytest.raises(SetupProblem):
        workplace.run(stop={"uv install": offline, "pip install": offline}, extras=("sim", "dev"))
    assert workplace.is_current()


def test_failed_installation_is_not_trusted(workplace):
    workplace.run()
    full = SetupProblem("disk full")
    full.output = "Prepared 1 package in 3ms\nNo space left on device"
    with pytest.raises(SetupProblem):
        workplace.run(stop={"uv install": full}, extras=("sim", "dev"))
    assert not workplace.is_current()
    assert workplace.run() == ALL


def test_torch_for_cpus_is_installed_first_where_there_is_no_gpu(workplace):
    """Where pip knows no place with builds for CPUs, it downloaded 6 GB of CUDA's packages for a machine without a
    GPU."""
    assert workplace.run(extras=("train",)) == ["venv", "pip uv", "uv probe", *ALL[2:]]


def test_with_a_gpu_torch_is_what_the_index_has(workplace):
    assert workplace.run(extras=("train",), torch="gpu") == ALL


def test_torch_that_is_there_is_not_installed_again(workplace):
    workplace.run()
    (workplace.plan().site_packages / "torch").mkdir(parents=True)
    assert workplace.run(extras=("train",)) == ["pip uv", "uv install"]


@pytest.mark.parametrize(
    ("failing", "done", "said"),
    [
        ("pip uv", ["pip install"], "pip installs the packages"),
        ("uv probe", ["uv install"], "CUDA's packages (6 GB) may come"),
        ("uv install", ["pip install"], "pip installs the packages"),
    ],
)
def test_where_uv_gets_nothing_the_set_up_goes_on_and_says_so(workplace, capsys, failing, done, said):
    offline = SetupProblem("no network")
    offline.output = "dns error"
    assert workplace.run(stop={failing: offline}, extras=("train",))[-4:] == [*done, *ALL[3:]]
    assert said in capsys.readouterr().out
    assert workplace.is_current(extras=("train",))


def test_beside_a_distribution_pip_installs_and_uv_gets_torch_alone(workplace):
    """pip knows which packages the distribution brings."""
    workplace.distribution = Distribution("jazzy", workplace.venv, "3.12")
    assert workplace.run(extras=("train",)) == ["venv", "pip uv", "uv probe", "uv torch", "pip install", *ALL[3:]]
    assert workplace.run(extras=("sim",)) == ["pip install"]


def test_edited_module_takes_effect_without_a_stage(workplace, clone):
    workplace.run()
    (clone / "src/spirl_ros/spirl_ros/__init__.py").write_text("VALUE = 1\n")
    assert workplace.is_current()


def test_edited_message_builds_only_the_messages(workplace, clone):
    workplace.run()
    (clone / "src/spirl_msgs/msg/Skill.msg").write_text("float64[] latent\n")
    assert workplace.run() == ["colcon spirl_msgs"]


def test_new_launch_file_installs_only_the_package(workplace, clone):
    workplace.run()
    (clone / "launch/train.launch.py").touch()
    assert workplace.run() == ["pip editable", "colcon spirl_ros"]


def test_changed_pin_installs_packages_into_the_same_environment(workplace, clone):
    workplace.run()
    path = clone / "requirements/sim.txt"
    path.write_text(path.read_text().replace("glfw==2.11.0", "glfw==2.10.0"))
    assert workplace.run() == ["pip uv", "uv install"]


def test_switching_onnxruntime_removes_the_other_one_first(workplace):
    workplace.run()
    assert workplace.run(onnxruntime="gpu") == ["pip uninstall", "pip uv", "uv install"]


def test_package_without_its_command_is_not_done(workplace):
    """pip 23.0 put the command elsewhere without `--use-pep517`, and the set-up called itself done."""
    workplace.commands.run_as_is = workplace.commands.run

    def forget_the_command(command, environment, folder):
        workplace.commands.run_as_is(command, environment, folder)
        (workplace.venv / "bin" / "spirl").unlink(missing_ok=True)

    workplace.commands.run = forget_the_command
    with pytest.raises(SetupProblem, match="command spirl"):
        workplace.run()
    assert not workplace.is_current()


def test_environment_made_with_another_python_is_replaced(workplace, monkeypatch):
    workplace.run()
    monkeypatch.setattr("sys.version_info", (3, 13, 99, "final", 0))
    assert workplace.run() == ALL
