"""The stages of the set-up: environment, packages, messages, package.

Each runs only when something it needs changed.
"""

import re
import shutil
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from workspace.environment import build_environment, write_environment
from workspace.machine import check_build_tools, check_disk_space, check_paths, check_platform, check_python_parts
from workspace.pip_settings import settings_for_uv
from workspace.plan import Plan
from workspace.problem import SetupProblem
from workspace.progress import Progress
from workspace.requirements import package_name
from workspace.state import State, load_state, remove_environment
from workspace.wheels import make_prefix

_CHANGES = r"Installing collected packages|Uninstalling|Prepared \d+ package"
"""What pip and uv say when all is downloaded and they begin to install."""


def is_current(plan: Plan, state: State | None) -> bool:
    """True when nothing is left to do."""
    return (
        state is not None
        and not state.unfinished
        and state.done == plan.fingerprints()
        and plan.venv_python.exists()
        and (plan.venv / "bin" / "spirl-env").exists()
    )


def is_broken(state: State) -> bool:
    """True when the environment was left half made: it can only be made anew."""
    return state.unfinished in ("environment", "packages")


def check_machine(plan: Plan, environment: Mapping[str, str]) -> None:
    """Look for everything that the machine must bring, before anything is written."""
    check_platform()
    check_paths(plan.root, plan.venv)
    check_build_tools(environment)
    check_python_parts()
    check_disk_space(plan.root, plan.extras, plan.torch, environment)


class Setup:
    """Brings an environment from what it is to what a plan says."""

    def __init__(self, plan: Plan, progress: Progress, environment: Mapping[str, str]) -> None:
        """Prepare; nothing is written yet.

        Args:
            plan: what to reach.
            progress: runs the commands.
            environment: variables of the shell that asked.
        """
        self._plan = plan
        self._progress = progress
        self._build_environment = build_environment(plan, environment)
        self._fingerprints = plan.fingerprints()
        self._state = State()

    def run(self) -> None:
        """Do what is left to do. A run that is cut short at any point is repaired by the next one."""
        plan = self._plan
        state = load_state(plan.venv)
        is_usable = (
            state is not None
            and not is_broken(state)
            and state.done.get("environment") == self._fingerprints["environment"]
            and plan.venv_python.exists()
        )
        if state is not None and is_usable:
            self._state = state
        else:
            self._state = State(python=str(plan.python))
            self._stage("environment", f"Python environment {plan.venv.name}", self._make_environment)
        count = len(plan.requirements().splitlines())
        names = ", ".join(["robot", *sorted(plan.extras)])
        if "train" in plan.extras:
            names += "; torch for CPUs" if plan.torch == "cpu" else "; torch with CUDA, 6 GB"
        self._stage("packages", f"{count} packages ({names})", self._install_packages)
        self._stage("messages", "messages (src/spirl_msgs)", lambda: self._build("spirl_msgs"))
        self._stage("package", "package (src/spirl_ros)", self._build_package)
        write_environment(plan)

    def _stage(self, name: str, title: str, action: Callable[[], None]) -> None:
        """Run a stage unless it is done. While it runs, the state says so."""
        state, venv = self._state, self._plan.venv
        if state.unfinished != name and state.done.get(name) == self._fingerprints[name]:
            return
        with self._progress.stage(title):
            if name == "environment":
                remove_environment(venv)
                venv.mkdir(parents=True)
            before = replace(state, done=dict(state.done))
            state.unfinished = name
            state.done.pop(name, None)
            state.save(venv)
            try:
                action()
            except SetupProblem as problem:
                # Nothing is changed before everything is downloaded: what was there goes on working.
                is_untouched = problem.output and not re.search(_CHANGES, problem.output)
                if name == "packages" and is_untouched and state.onnxruntime == before.onnxruntime:
                    before.save(venv)
                raise
        state.unfinished = ""
        state.done[name] = self._fingerprints[name]
        state.save(venv)

    def _run(self, *command: str | Path, **variables: str) -> None:
        environment = {**self._build_environment, **variables}
        self._progress.run([str(part) for part in command], environment, self._plan.root)

    def _make_environment(self) -> None:
        """Make the Python environment; with a distribution it also sees that one's packages."""
        options = ["--system-site-packages"] if self._plan.distribution else []
        self._run(self._plan.python, "-m", "venv", *options, self._plan.venv)
        # `colcon build` at the top of the clone is not to look for packages in here.
        (self._plan.venv / "COLCON_IGNORE").touch()

    def _install_packages(self) -> None:
        """Install the pinned packages and, without a distribution, make a ROS 2 prefix of them."""
        plan = self._plan
        requirements = plan.venv / "requirements.txt"
        requirements.write_text(plan.requirements(), encoding="utf-8")
        if self._state.onnxruntime not in ("", plan.onnxruntime):
            self._run(plan.venv_python, "-m", "pip", "uninstall", "--yes", "onnxruntime", "onnxruntime-gpu")
            self._state.onnxruntime = ""
        try:
            is_done = self._install_by_uv(requirements)
        except SetupProblem as problem:
            if re.search(_CHANGES, problem.output):
                raise
            self._progress.note("uv did not get everything; pip installs the packages, which takes longer")
            is_done = False
        if not is_done:
            self._run(plan.venv_python, "-m", "pip", "install", "--progress-bar", "off", "--requirement", requirements)
        if plan.distribution is None:
            make_prefix(plan.venv, plan.site_packages, Path(sysconfig.get_path("include")))
        self._state.onnxruntime = plan.onnxruntime
        self._state.extras = sorted(plan.extras)

    def _install_by_uv(self, requirements: Path) -> bool:
        """Install by uv, which needs a tenth of pip's processor time; returns whether pip has nothing left to do.

        Beside a distribution uv installs torch alone, where it is wanted and not there: pip knows what the distribution
        has.
        torch's build for CPUs comes without CUDA packages. pip finds that build only where its settings name the place.
        uv
        knows the place; where it cannot get there, it takes what it finds, and the pin is the same. Whether it can is
        asked first, with one second try: uv's own four took 11 s.
        """
        plan = self._plan
        pins = [line for line in plan.requirements().splitlines() if package_name(line) == "torch"]
        needs_torch = plan.torch == "cpu" and bool(pins) and not (plan.site_packages / "torch").exists()
        if plan.distribution is not None and not needs_torch:
            return False
        uv_file = plan.root / "requirements" / "uv.txt"
        self._run(plan.venv_python, "-m", "pip", "install", "--progress-bar", "off", "--requirement", uv_file)
        settings = settings_for_uv(plan.venv_python, self._build_environment)
        install = (plan.venv_python, "-m", "uv", "pip", "install", "--python", plan.venv_python)
        torch: tuple[str, ...] = ()
        if needs_torch:
            torch = ("--torch-backend", "cpu")
            try:
                self._run(*install, "--dry-run", "--no-deps", *torch, *pins, **settings, UV_HTTP_RETRIES="1")
            except SetupProblem:
                torch = ()
                self._progress.note(
                    "torch's build for CPUs was not found by uv: CUDA's packages (6 GB) may come instead"
                )
        if plan.distribution is None:
            self._run(*install, *torch, "--requirement", requirements, **settings)
            return True
        if torch:
            self._run(*install, "--no-deps", *torch, *pins, **settings)
        return False

    def _build_package(self) -> None:
        """Install spirl_ros twice: its modules linked to src, and its launch files, data and executables by colcon."""
        link = self._plan.linked_modules / "spirl_ros"
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(self._plan.root / "src" / "spirl_ros" / "spirl_ros")
        pip = (self._plan.venv_python, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--use-pep517")
        self._run(*pip, "--editable", self._plan.root / "src" / "spirl_ros")
        if not (self._plan.venv / "bin" / "spirl").is_file():
            raise SetupProblem(
                "pip installed spirl_ros without an error, but not its command spirl. Run `make clean setup`."
            )
        self._build("spirl_ros")

    def _build(self, package: str) -> None:
        """Build a package of the workspace from nothing, so that no file of before stays in it."""
        space = self._plan.venv / "colcon"
        for folder in (space / "build" / package, space / "install" / package):
            if folder.exists():
                shutil.rmtree(folder)
        self._run(
            *(self._plan.venv_python, "-m", "colcon", "--log-base", space / "log", "build"),
            *("--base-paths", self._plan.root / "src" / package, "--packages-select", package),
            *("--build-base", space / "build", "--install-base", space / "install"),
            *("--event-handlers", "console_direct+", "--metas", self._plan.root / "colcon.meta"),
            *("--cmake-args", f"-DPython3_EXECUTABLE={self._plan.venv_python}"),
            f"-DPYTHON_EXECUTABLE={self._plan.venv_python}",
        )
        if not (space / "install" / package / "share" / package / "package.xml").is_file():
            raise SetupProblem(
                f"colcon built {package} without an error, but did not install it. Run `make clean setup`."
            )
