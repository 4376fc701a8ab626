"""Publishes what RViz draws: the scene, the way of the tool, what skills would do, the task and the safety filter."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from std_msgs.msg import String
from visualization_msgs.msg import Marker, MarkerArray

from spirl_ros.control.event_rate import EventRate
from spirl_ros.deployment.bundle import Bundle, load_bundle
from spirl_ros.deployment.bundle_file import BUNDLE_FILE
from spirl_ros.errors import SpirlError
from spirl_ros.monitoring.arm_frames import ArmFrames, arm_urdf
from spirl_ros.monitoring.coming_skill import ComingSkill
from spirl_ros.monitoring.recent_interventions import RecentInterventions
from spirl_ros.monitoring.scene_shapes import SceneShapes
from spirl_ros.monitoring.skill_preview import SkillPreview
from spirl_ros.monitoring.tool_paths import ToolPaths
from spirl_ros.monitoring.views import EXECUTING, ChoiceView, SafetyView, SkillView
from spirl_ros.nodes.graph.graph_listener import GraphListener
from spirl_ros.nodes.graph.managed_node import OK, WARN, ManagedNode, run
from spirl_ros.nodes.graph.messages import LATCHED_QOS
from spirl_ros.nodes.graph.parameters import parameter, read_parameters
from spirl_ros.nodes.graph.transform_topic import TransformTopic, to_transforms
from spirl_ros.nodes.viewers.marker_messages import (
    to_path_markers,
    to_pose,
    to_preview_markers,
    to_safety_markers,
    to_shape_markers,
    to_silence_marker,
    to_subtask_marker,
)
from spirl_ros.nodes.viewers.rviz_window import RvizWindow
from spirl_ros.tasks.families import DEFAULT_FAMILY, find_family
from spirl_ros.tasks.scene_view import find_view

IDLE_PERIOD_S = 0.5
"""How often the node looks whether anybody listens [s]."""
STILL_PERIOD_S = 1.0
"""How often that is repeated which never moves [s]."""
ENDED_AFTER_S = 3.0
"""Without a joint state for so long [s] there is no arm any more; a simulator that waits repeats its own twice a
second."""
RVIZ_LOOK_S = 2.0
"""How long after its start RViz is looked after [s]: without a display it ends at once."""
LIFETIME_PERIODS = 4.0
"""A marker lasts so many periods of its repetition: what is no longer published is soon no longer on the screen."""


@dataclass(frozen=True)
class SceneMarkersConfig:
    """Parameters of the markers."""

    scene: str = parameter(DEFAULT_FAMILY, "task family whose scene is drawn")
    rate_hz: float = parameter(10.0, "how often what moves is published [Hz]", minimum=1.0, maximum=50.0)
    bundle: str = parameter(
        "",
        "folder of the bundle that acts, for the ways its skills would take; empty for none. It may come later: it "
        "is read when the executor has it",
    )
    prior_samples: int = parameter(8, "ways of skills drawn from the prior", minimum=0, maximum=100)
    frame_id: str = parameter("world", "frame of the scene's positions")
    mesh_files: bool = parameter(
        True, "draw meshes from their files on this machine; false: boxes, for an RViz that does not have them"
    )
    publish_robot: bool = parameter(
        True, "publish robot_description and tf of the simulated arm; false where a driver publishes its own"
    )
    rviz: bool = parameter(False, "start RViz, where it is installed")
    seed: int = parameter(0, "of the samples of the prior", minimum=0)


class SceneMarkers(ManagedNode):
    """Turns what a GraphListener heard into markers, while somebody listens to them. One thread."""

    def __init__(self) -> None:
        """Declare the parameters."""
        super().__init__("scene_markers", SceneMarkersConfig)
        self._window: RvizWindow | None = None

    def configure(self) -> None:
        """Read scene and bundle."""
        self._config = config = read_parameters(self, SceneMarkersConfig)
        self._view = view = find_view(config.scene)
        self._shapes = SceneShapes(view, config.mesh_files)
        self._text_place_m = view.text_place()
        self._bundle: Bundle | None = None
        self._preview: SkillPreview | None = None
        self._looked_for_digest = ""
        if config.bundle and (Path(config.bundle) / BUNDLE_FILE).is_file():
            self._read_bundle()
        elif config.bundle:
            self.get_logger().info(f"{config.bundle} holds no bundle yet; the paths of skills appear when it does")
        period_s = 1.0 / config.rate_hz
        self._moving_s, self._still_s = LIFETIME_PERIODS * period_s, LIFETIME_PERIODS * STILL_PERIOD_S
        self._shape_markers = [
            to_shape_markers(view.name, [shape], self._moving_s if shape.is_moving else self._still_s)[0]
            for shape in self._shapes.shapes
        ]
        for number, message in enumerate(self._shape_markers):
            message.id = number
        self._listener = GraphListener(self, view.load_scene())
        self._publisher = self.create_publisher(MarkerArray, "scene_markers", 1)
        self._frames: ArmFrames | None = None
        if config.publish_robot:
            self._frames = ArmFrames(view)
            self._transform_topic = TransformTopic(self)
            self._description_publisher = self.create_publisher(String, "robot_description", LATCHED_QOS)
            self._description_publisher.publish(String(data=arm_urdf(view)))

    def activate(self) -> None:
        """Begin to publish, and open RViz if asked to."""
        self._paths, self._coming, self._interventions = ToolPaths(), ComingSkill(), RecentInterventions()
        self._has_ended = False
        """Have the joint states, and has everything been taken off the screen."""
        self._rate = EventRate("marker arrays")
        self._generator = np.random.default_rng(self._config.seed)
        self._previewed: tuple[int, tuple[float, ...]] | None = None
        self._preview_markers: list[Marker] = []
        self._still_due_s = self.now_s()
        self._timer = self.create_timer(IDLE_PERIOD_S, self._publish, clock=self.steady_clock)
        if self._config.rviz:
            pictures = find_family(self._config.scene).robot.observation.pictures
            self._window = RvizWindow(self._view, self.get_namespace(), pictures)
            self.get_logger().info(self._window.open())
            self._window_timer = self.create_timer(RVIZ_LOOK_S, self._look_after_window, clock=self.steady_clock)

    def deactivate(self) -> None:
        """Take everything off the screen."""
        self.destroy_timer(self._timer)
        self._listener.shut()
        self._publisher.publish(MarkerArray(markers=[Marker(action=Marker.DELETEALL)]))
        if self._window is not None:
            self.destroy_timer(self._window_timer)
            self._window.close()
            self._window = None

    def cleanup(self) -> None:
        """Close the topics."""
        self._listener.close()
        self.destroy_publisher(self._publisher)
        if self._frames is not None:
            self._transform_topic.close()
            self.destroy_publisher(self._description_publisher)

    def diagnose(self) -> tuple[bytes, str, dict[str, object]]:
        """Who listens, and how old what they see is."""
        if not self.is_active:
            return OK, "not active", {}
        listeners = self._listeners()
        values: dict[str, object] = {
            "listeners": listeners,
            "bundle": "none" if self._bundle is None else self._bundle.description.name,
            "bundle digest": "" if self._bundle is None else self._bundle.digest[:12],
            "tf": "published" if self._frames is not None and self._transform_topic.is_available else "not published",
            **self._rate.diagnose(self.now_s()),
        }
        if not listeners:
            return OK, "nobody listens", values
        values["joint state age [s]"] = age_s = self._listener.state_age_s(self.now_s())
        return (OK, "publishing", values) if age_s < 1.0 else (WARN, "no joint states to show", values)

    def _publish(self) -> None:
        """One round, if anybody listens."""
        is_watched = self._listeners() > 0
        if is_watched:
            self._listener.open()
        else:
            self._listener.shut()
        period_ns = round(1e9 / self._config.rate_hz) if is_watched else round(1e9 * IDLE_PERIOD_S)
        if self._timer.timer_period_ns != period_ns:
            self._timer.timer_period_ns = period_ns
        if not is_watched:
            return
        now_s, listener = self.now_s(), self._listener
        listener.look_at_diagnostics(now_s)
        listener.look_at_states(now_s)
        is_new_episode = listener.look_at_statuses(now_s)
        if is_new_episode:
            self._paths.clear()
        if listener.joint_state is None:
            return
        if listener.state_age_s(now_s) > ENDED_AFTER_S:
            self._tell_end(listener.state_age_s(now_s))
            return
        self._has_ended = False
        if self._frames is not None and self._transform_topic.listeners:
            frames, stamp = self._frames, listener.joint_state.header.stamp
            transforms = frames.transforms(listener.positions.values)
            self._transform_topic.publish(to_transforms(frames.names, frames.parents, *transforms, stamp))
        view = listener.view(now_s, self._config.rate_hz, self._publisher.get_subscription_count())
        positions, quaternions = self._shapes.poses(listener.positions.values)
        markers = self._scene(positions, quaternions, now_s)
        tool = self._shapes.tool_position()
        self._paths.add(listener.skill_id, tool)
        markers += to_path_markers(self._paths.paths(), self._moving_s)
        skill = view.skill if listener.has_executor(now_s) else None
        coming = self._coming.look(listener.newest_choice, listener.choice_s, skill, now_s, is_new_episode)
        markers += self._previews(coming, skill)
        if view.task is not None:
            markers.append(to_subtask_marker(view.task, skill, self._text_place_m, self._moving_s))
        safety = self._safety(now_s)
        if safety is not None:
            markers += to_safety_markers(safety, tool, self._moving_s)
        for message in markers:
            message.header.frame_id, message.header.stamp = self._config.frame_id, listener.joint_state.header.stamp
        self._publisher.publish(MarkerArray(markers=markers))
        self._rate.mark(self.now_s())

    def _listeners(self) -> int:
        """Who looks at the markers or follows the arm's frames."""
        followers = 0 if self._frames is None else self._transform_topic.listeners
        return self._publisher.get_subscription_count() + followers

    def _scene(self, positions: np.ndarray, quaternions: np.ndarray, now_s: float) -> list[Marker]:
        """What moves every time, and what does not now and then."""
        is_due = now_s >= self._still_due_s
        if is_due:
            self._still_due_s = now_s + STILL_PERIOD_S
        chosen = [index for index, shape in enumerate(self._shapes.shapes) if shape.is_moving or is_due]
        for index in chosen:
            self._shape_markers[index].pose = to_pose(positions[index], quaternions[index])
        return [self._shape_markers[index] for index in chosen]

    def _previews(self, coming: ChoiceView | None, skill: SkillView | None) -> list[Marker]:
        """Where the newest skill and others would lead, computed when it appears; nothing when none is under way."""
        preview = self._preview_of_executor()
        wanted = None
        if coming is not None:
            wanted = coming.skill_id, coming.latent
        elif skill is not None and skill.state == EXECUTING:
            # Not the skill's own number, which is 0 for every one that was asked for by the action.
            wanted = self._listener.skill_id, skill.latent
        if preview is None or wanted is None or len(wanted[1]) != preview.latent_size:
            self._previewed = None
            return []
        if wanted != self._previewed:
            self._previewed, positions = wanted, self._listener.positions.values
            number, latent = wanted
            way = preview.paths(np.array([latent]), positions)[0]
            count = self._config.prior_samples
            samples = preview.prior_paths(count, positions, self._generator) if count else np.empty((0, 0, 3))
            self._preview_markers = to_preview_markers(number, way, samples, self._moving_s)
        return self._preview_markers

    def _preview_of_executor(self) -> SkillPreview | None:
        """The preview, if its bundle is the one that the executor has: another decoder makes other ways of a latent."""
        digest = self._listener.bundle_digest
        is_other = bool(digest) and (self._bundle is None or self._bundle.digest != digest)
        if is_other and self._config.bundle and digest != self._looked_for_digest:
            # Once for each, since reading takes a moment. Its folder is whole when the executor has read it.
            self._looked_for_digest = digest
            if (Path(self._config.bundle) / BUNDLE_FILE).is_file():
                try:
                    self._read_bundle()
                except SpirlError as error:
                    self.get_logger().warning(f"the paths of skills are not shown: {error}")
            is_other = self._bundle is None or self._bundle.digest != digest
            if is_other:
                self.get_logger().info(
                    f"{self._config.bundle} is not what the executor has; no paths of skills are shown"
                )
        return None if is_other else self._preview

    def _read_bundle(self) -> None:
        """Raises SpirlError."""
        bundle = load_bundle(self._config.bundle, "cpu")
        self._preview = SkillPreview(bundle, self._view)
        self._bundle = bundle

    def _safety(self, now_s: float) -> SafetyView | None:
        """What the safety filter does or did a moment ago."""
        if not self._listener.has_safety_filter(now_s):
            self._interventions.forget()
            return None
        for status in self._listener.new_safety:
            self._interventions.add(status, now_s)
        return self._interventions.shown(now_s)

    def _tell_end(self, silent_s: float) -> None:
        """Take everything off the screen once, and say why there is nothing."""
        markers = [to_silence_marker(silent_s, self._text_place_m, self._moving_s)]
        markers[0].header.frame_id = self._config.frame_id
        if not self._has_ended:
            markers.insert(0, Marker(action=Marker.DELETEALL))
            self._has_ended = True
            self._paths.clear()
            self._still_due_s = self.now_s()
        self._publisher.publish(MarkerArray(markers=markers))

    def _look_after_window(self) -> None:
        """Once, a moment after its start."""
        self._window_timer.cancel()
        exit_code = None if self._window is None else self._window.ended_with()
        if exit_code is not None:
            self.get_logger().warning(
                f"RViz has ended with exit code {exit_code}; only the markers are published. Its messages above "
                "say why: without a screen, look with viewer:=web."
            )


def main() -> None:
    """Run the node."""
    sys.exit(run(SceneMarkers))


if __name__ == "__main__":
    main()
