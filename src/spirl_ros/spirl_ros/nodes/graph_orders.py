"""What the page's buttons do to the graph: services of other nodes."""

from collections.abc import Callable
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.client import Client
from std_srvs.srv import Trigger

from spirl_msgs.srv import ResetScene, SetTask
from spirl_ros.monitoring.orders import PAUSE, RELEASE, RESET, RESUME, SOURCE, START, STOP, TASK, Order
from spirl_ros.nodes.managed_node import ManagedNode
from spirl_ros.nodes.messages import CALL_QOS
from spirl_ros.nodes.service_calls import ServiceCalls

PATIENCE_S = 5.0
"""How long an answer may take [s]; a bundle may have to be loaded for it."""
SOURCE_PARAMETER = "source"
"""Parameter of the skill policy: who chooses skills, `policy` or `prior`. It is read when the node is configured."""

_RESTART = (
    Transition.TRANSITION_DEACTIVATE,
    Transition.TRANSITION_CLEANUP,
    Transition.TRANSITION_CONFIGURE,
    Transition.TRANSITION_ACTIVATE,
)


class GraphOrders:
    """Carries orders out, and tells what came of them. One thread; `poll` has to be called every now and then."""

    def __init__(
        self,
        node: ManagedNode,
        executor: str,
        policy: str,
        deciders: tuple[str, ...],
        tell: Callable[[str, bool], None],
    ) -> None:
        """Look for the services.

        Args:
            node: calls them.
            executor: name of the node that executes skills; an emergency stop is its to make.
            policy: name of the node that chooses skills.
            deciders: names of the nodes that decide what the arm does; pausing deactivates those that are there.
            tell: called with a sentence and whether it is about a failure.
        """
        self._node, self._tell, self._policy = node, tell, policy
        self._calls = ServiceCalls(lambda sentence: tell(sentence, True), PATIENCE_S)
        self._clients: list[Client] = []
        self._stop = self._client(Trigger, f"{executor}/stop")
        self._release = self._client(Trigger, f"{executor}/reset")
        self._start = self._client(Trigger, f"{policy}/start")
        self._set_source = self._client(SetParameters, f"{policy}/set_parameters")
        self._reset = self._client(ResetScene, "reset_scene")
        self._set_task = self._client(SetTask, "set_task")
        self._change_state = {name: self._client(ChangeState, f"{name}/change_state") for name in (policy, *deciders)}

    def carry_out(self, order: Order) -> None:
        """Begin to carry out an order."""
        actions: dict[str, Callable[[], object]] = {
            STOP: self._stop_arm,
            RELEASE: lambda: self._call(self._release, Trigger.Request(), self._tell_answer),
            START: lambda: self._call(self._start, Trigger.Request(), self._tell_answer),
            RESET: self._reset_scene,
            TASK: lambda: self._switch_task(order.value),
            SOURCE: lambda: self._switch_source(order.value),
            PAUSE: lambda: self._change_deciders(Transition.TRANSITION_DEACTIVATE, "rests"),
            RESUME: lambda: self._change_deciders(Transition.TRANSITION_ACTIVATE, "goes on"),
        }
        actions[order.what]()

    def poll(self) -> None:
        """Take in answers, and say which did not come."""
        self._calls.poll(self._node.now_s())

    def close(self) -> None:
        """Forget the services."""
        self._calls.clear()
        for client in self._clients:
            self._node.destroy_client(client)

    def _client(self, service_type: type, name: str) -> Client:
        self._clients.append(self._node.create_client(service_type, name, qos_profile=CALL_QOS))
        return self._clients[-1]

    def _call(self, client: Client, request: Any, on_answer: Callable[[Any], None]) -> None:
        self._calls.call(client, request, on_answer, self._node.now_s())

    def _tell_answer(self, answer: Trigger.Response) -> None:
        self._tell(answer.message, not answer.success)

    def _stop_arm(self) -> None:
        """The executor brakes and latches. Without one, nobody decides any more and the arm's controller holds."""
        if self._stop.service_is_ready():
            self._call(self._stop, Trigger.Request(), self._tell_answer)
        else:
            self._change_deciders(Transition.TRANSITION_DEACTIVATE, "was stopped, the arm's controller holds")

    def _reset_scene(self) -> None:
        def tell(answer: ResetScene.Response) -> None:
            begun = f"Episode {answer.episode} has begun, seed {answer.seed}."
            self._tell(begun if answer.success else answer.message, not answer.success)

        self._call(self._reset, ResetScene.Request(), tell)

    def _switch_task(self, task: str) -> None:
        def go_on(answer: SetTask.Response) -> None:
            if answer.success:
                self._reset_scene()
            else:
                self._tell(answer.message, True)

        self._call(self._set_task, SetTask.Request(task=task), go_on)

    def _switch_source(self, source: str) -> None:
        """Set the parameter, then take the policy's node down and up again: it reads it when it is configured."""

        def restart(answer: SetParameters.Response) -> None:
            result = next(iter(answer.results))
            if result.successful:
                self._change(self._policy, list(_RESTART), f"chooses skills by the {source}")
            else:
                self._tell(result.reason, True)

        value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=source)
        request = SetParameters.Request(parameters=[Parameter(name=SOURCE_PARAMETER, value=value)])
        self._call(self._set_source, request, restart)

    def _change_deciders(self, transition: int, what: str) -> None:
        present = [name for name, client in self._change_state.items() if client.service_is_ready()]
        if not present:
            self._tell(f"none of {', '.join(self._change_state)} is there.", True)
        for name in present:
            self._change(name, [transition], what)

    def _change(self, name: str, transitions: list[int], what: str) -> None:
        """Lead a node through lifecycle transitions, one after the other."""

        def go_on(answer: ChangeState.Response) -> None:
            if not answer.success:
                self._tell(f"{name} cannot do that now; see its log.", True)
            elif len(transitions) > 1:
                self._change(name, transitions[1:], what)
            else:
                self._tell(f"{name} {what}.", False)

        self._call(self._change_state[name], ChangeState.Request(transition=Transition(id=transitions[0])), go_on)
