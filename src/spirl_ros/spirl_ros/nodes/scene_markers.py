"""Publishes what RViz draws: the scene, the way of the tool, what skills would do, the task and the safety filter."""

import sys
from dataclasses import dataclass

import numpy as np
from std_msgs.msg import String
from visualization_msgs.msg import Marker, MarkerArray

from spirl_ros.control.event_rate import EventRate
from spirl_ros.deployment.bundle import load_bundle
from spirl_ros.monitoring.arm_frames import ArmFrames, arm_urdf
from spirl_ros.monitoring.scene_shapes import SceneShapes
from spirl_ros.monitoring.skill_preview import SkillPreview
from spirl_ros.monitoring.tool_paths import KEPT_SKILLS, ToolPaths
from spirl_ros.monitoring.views import EXECUTING, ChoiceView, SkillView
from spirl_ros.nodes.graph_listener import GraphListener
from spirl_ros.nodes.managed_node import OK, WARN, ManagedNode, run
from spirl_ros.nodes.marker_messages import (
    to_path_markers,
    to_pose,
    to_preview_markers,
    to_safety_markers,
    to_shape_markers,
    to_subtask_marker,
)
from spirl_ros.nodes.messages import LATCHED_QOS
from spirl_ros.nodes.parameters import parameter, read_parameters
from spirl_ros.nodes.rviz_window import RvizWindow
from spirl_ros.nodes.transform_topic import TransformTopic, to_transforms
from spirl_ros.shipped import shipped
from spirl_ros.tasks.kitchen.scene import load_kitchen_scene

IDLE_PERIOD_S = 0.5
"""How often the node looks whether anybody listens [s]."""
STILL_PERIOD_S = 1.0
"""How often that is repeated which never moves [s]."""
LIFETIME_PERIODS = 4.0
"""A marker lasts so many periods of its repetition: what is no longer published is soon no longer on the screen."""


@dataclass(frozen=True)
class SceneMarkersConfig:
    """Parameters of the markers."""

    rate_hz: float = parameter(10.0, "how often what moves is published [Hz]", minimum=1.0, maximum=50.0)
    bundle: str = parameter("", "folder of the bundle that acts, for the ways its skills would take; empty for none")
    prior_samples: int = parameter(8, "ways of skills drawn from the prior", minimum=0, maximum=100)
    frame_id: str = parameter("world", "frame of the scene's positions")
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
        scene = load_kitchen_scene(with_visuals=True)
        self._shapes = SceneShapes(scene)
        self._preview = SkillPreview(load_bundle(config.bundle), load_kitchen_scene()) if config.bundle else None
        period_s = 1.0 / config.rate_hz
        self._moving_s, self._still_s = LIFETIME_PERIODS * period_s, LIFETIME_PERIODS * STILL_PERIOD_S
        self._shape_markers = [
            to_shape_markers([shape], self._moving_s if shape.is_moving else self._still_s)[0]
            for shape in self._shapes.shapes
        ]
        for number, message in enumerate(self._shape_markers):
            message.id = number
        self._listener = GraphListener(self, load_kitchen_scene())
        self._publisher = self.create_publisher(MarkerArray, "scene_markers", 1)
        self._frames: ArmFrames | None = None
        if config.publish_robot:
            self._frames = ArmFrames(scene)
            self._transform_topic = TransformTopic(self)
            self._description_publisher = self.create_publisher(String, "robot_description", LATCHED_QOS)
            self._description_publisher.publish(String(data=arm_urdf(scene)))

    def activate(self) -> None:
        """Begin to publish, and open RViz if asked to."""
        self._paths = ToolPaths()
        self._rate = EventRate("marker arrays")
        self._generator = np.random.default_rng(self._config.seed)
        self._previewed, self._preview_markers = 0, []
        self._still_due_s = self.now_s()
        self._timer = self.create_timer(IDLE_PERIOD_S, self._publish, clock=self.steady_clock)
        if self._config.rviz:
            self._window = RvizWindow(shipped("rviz/kitchen.rviz"), self.get_namespace())
            self.get_logger().info(self._window.open())

    def deactivate(self) -> None:
        """Take everything off the screen."""
        self.destroy_timer(self._timer)
        self._listener.shut()
        self._publisher.publish(MarkerArray(markers=[Marker(action=Marker.DELETEALL)]))
        if self._window is not None:
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
            "bundle": self._config.bundle,
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
        listener.look_at_states(now_s)
        if listener.look_at_statuses(now_s):
            self._paths.clear()
        if listener.joint_state is None:
            return
        if self._frames is not None and self._transform_topic.listeners:
            frames, stamp = self._frames, listener.joint_state.header.stamp
            transforms = frames.transforms(listener.positions.values)
            self._transform_topic.publish(to_transforms(frames.names, frames.parents, *transforms, stamp))
        view = listener.view(now_s, self._config.rate_hz, self._publisher.get_subscription_count())
        positions, quaternions = self._shapes.poses(listener.positions.values)
        markers = self._kitchen(positions, quaternions, now_s)
        tool = self._shapes.tool_position()
        self._paths.add(listener.skill_id, tool)
        markers += to_path_markers(self._paths.paths(), KEPT_SKILLS, self._moving_s)
        markers += self._previews(view.choice, view.skill)
        if view.task is not None:
            markers.append(to_subtask_marker(view.task, view.skill, self._moving_s))
        if view.safety is not None:
            markers += to_safety_markers(view.safety, tool, self._moving_s)
        for message in markers:
            message.header.frame_id, message.header.stamp = self._config.frame_id, listener.joint_state.header.stamp
        self._publisher.publish(MarkerArray(markers=markers))
        self._rate.mark(self.now_s())

    def _listeners(self) -> int:
        """Who looks at the markers or follows the arm's frames."""
        followers = 0 if self._frames is None else self._transform_topic.listeners
        return self._publisher.get_subscription_count() + followers

    def _kitchen(self, positions: np.ndarray, quaternions: np.ndarray, now_s: float) -> list[Marker]:
        """What moves every time, and what does not now and then."""
        is_due = now_s >= self._still_due_s
        if is_due:
            self._still_due_s = now_s + STILL_PERIOD_S
        chosen = [index for index, shape in enumerate(self._shapes.shapes) if shape.is_moving or is_due]
        for index in chosen:
            self._shape_markers[index].pose = to_pose(positions[index], quaternions[index])
        return [self._shape_markers[index] for index in chosen]

    def _previews(self, choice: ChoiceView | None, skill: SkillView | None) -> list[Marker]:
        """Where the newest skill and others would lead, computed when it appears; nothing when none is under way."""
        if self._preview is None:
            return []
        is_under_way = skill is not None and skill.state == EXECUTING
        is_to_come = choice is not None and (skill is None or choice.skill_id > skill.skill_id)
        newest = choice if is_to_come else skill if is_under_way else None
        if newest is None:
            return []
        if newest.skill_id != self._previewed and len(newest.latent) == self._preview.latent_size:
            self._previewed, positions = newest.skill_id, self._listener.positions.values
            way = self._preview.paths(np.array([newest.latent]), positions)[0]
            count = self._config.prior_samples
            samples = self._preview.prior_paths(count, positions, self._generator) if count else np.empty((0, 0, 3))
            self._preview_markers = to_preview_markers(newest.skill_id, way, samples, self._moving_s)
        return self._preview_markers


def main() -> None:
    """Run the node."""
    sys.exit(run(SceneMarkers))


if __name__ == "__main__":
    main()
