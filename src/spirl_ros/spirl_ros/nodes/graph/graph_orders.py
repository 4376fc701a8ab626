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
from spirl_ros.monitoring.page_choice import PageChoice
from spirl_ros.nodes.graph.managed_node import ManagedNode
from spirl_ros.nodes.graph.messages import CALL_QOS
from spirl_ros.nodes.graph.service_calls import ServiceCalls

PATIENCE_S = 5.0
"""How long an answer may take [s]; a bundle may have to be loaded for it."""
SOURCE_PARAMETER = "source"
"""Parameter of the skill policy: who chooses skills, `policy` or `prior`. It is read when the node is configured."""
FAILURE, RUNS_BEGUN, OWN_RUN = "why the last run failed", "runs begun", "run of ~/start"
"""In the skill policy's diagnostics. The last one is empty where activation begins a run anyway."""
_LATENT_PARAMETER = "latent"
_LATENT_OF = {"policy": "mean", "prior": "sample"}
"""What is taken of the Gaussian of each, as when the graph is launched with it."""

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
        has_own_run: Callable[[], bool] = lambda: False,
    ) -> None:
        """Look for the services.

        Args:
            node: calls them.
            executor: name of the node that executes skills; an emergency stop is its to make.
            policy: name of the node that chooses skills.
            deciders: names of the nodes that decide what the arm does; pausing deactivates those that are there.
            tell: called with a sentence and whether it is about a failure.
            has_own_run: do the policy's diagnostics tell of episodes of `~/start`, under way or ended by a pause, which
                do not begin again by themselves.
        """
        self._node, self._tell, self._policy, self._has_own_run = node, tell, policy, has_own_run
        self.source: PageChoice[str] = PageChoice()
        """Who was ordered to choose skills."""
        self.is_paused: PageChoice[bool] = PageChoice()
        """Was a pause ordered, or its end."""
        self._own_run: PageChoice[bool] = PageChoice()
        self._calls = ServiceCalls(lambda sentence: tell(sentence, True), PATIENCE_S)
        self._clients: list[Client] = []
        self._stop = self._client(Trigger, f"{executor}/stop")
        self._release = self._client(Trigger, f"{executor}/reset")
        self._start = self._client(Trigger, f"{policy}/start")
        self._end_run = self._client(Trigger, f"{policy}/stop")
        self._set_source = self._client(SetParameters, f"{policy}/set_parameters")
        self._reset = self._client(ResetScene, "reset_scene")
        self._set_task = self._client(SetTask, "set_task")
        self._change_state = {name: self._client(ChangeState, f"{name}/change_state") for name in (policy, *deciders)}

    @property
    def are_under_way(self) -> bool:
        """Whether it is still to be told what came of an order."""
        return self._calls.are_under_way

    def carry_out(self, order: Order) -> None:
        """Begin to carry out an order."""
        actions: dict[str, Callable[[], object]] = {
            STOP: self._stop_arm,
            RELEASE: lambda: self._call(self._release, Trigger.Request(), self._tell_answer),
            START: lambda: self._begin_run(""),
            RESET: self._reset_scene,
            TASK: lambda: self._switch_task(order.value),
            SOURCE: lambda: self._switch_source(order.value),
            PAUSE: lambda: self._pause(True),
            RESUME: lambda: self._pause(False),
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

    def _call(self, client: Client, request: Any, on_answer: Callable[[Any], None], may_repeat: bool = False) -> bool:
        return self._calls.call(client, request, on_answer, self._node.now_s(), may_repeat)

    def _tell_answer(self, answer: Trigger.Response) -> None:
        self._tell(answer.message, not answer.success)

    def _stop_arm(self) -> None:
        """The executor brakes and latches. Without one, nobody decides any more and the arm's controller holds.

        A call may reach nobody, as of an executor that is just being started anew: it is repeated.
        """
        if self._stop.service_is_ready():
            self._call(self._stop, Trigger.Request(), self._tell_answer, may_repeat=True)
            # A run that was interrupted by a fault just now would go on by itself in a simulation.
            if self._end_run.service_is_ready():
                self._call(self._end_run, Trigger.Request(), lambda _: None, may_repeat=True)
        else:
            self._let_deciders_rest("was stopped, the arm's controller holds")

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
        """Set the parameters, then take the policy's node down and up again: it reads them when it is configured."""
        if self._is_being_switched():
            return
        has_own_run = self._own_run.shown(self._has_own_run(), self._node.now_s())

        def restart(answer: SetParameters.Response) -> None:
            refusals = [result.reason for result in answer.results if not result.successful]
            if refusals:
                self.source.refused()
                self._tell(refusals[0], True)
            else:
                on_done = self._going_on(self._policy, f"chooses skills by the {source}", has_own_run)
                # On its way the node is inactive, which is no pause.
                ordered = [(self.source, source), (self.is_paused, False)]
                self._change(self._policy, list(_RESTART), ordered, on_done)

        values = {SOURCE_PARAMETER: source, _LATENT_PARAMETER: _LATENT_OF.get(source, "")}
        request = SetParameters.Request(parameters=[_string_parameter(*item) for item in values.items()])
        self.source.order(source, self._node.now_s() + PATIENCE_S)
        if not self._call(self._set_source, request, restart):
            self.source.refused()

    def _pause(self, is_to_rest: bool) -> None:
        """Let those who decide rest, or go on. The same again while that is under way is one press too many."""
        now_s = self._node.now_s()
        if self._is_being_switched() or (self.is_paused.shown(not is_to_rest, now_s) == is_to_rest):
            return
        if is_to_rest:
            self._let_deciders_rest("rests, its episode has ended")
            return
        has_own_run = self._own_run.shown(self._has_own_run(), now_s)
        for name in self._present_deciders():
            on_done = self._going_on(name, "goes on", name == self._policy and has_own_run)
            self._change(name, [Transition.TRANSITION_ACTIVATE], [(self.is_paused, False)], on_done)

    def _let_deciders_rest(self, what: str) -> None:
        for name in self._present_deciders():
            on_done = self._going_on(name, what, False)
            self._change(name, [Transition.TRANSITION_DEACTIVATE], [(self.is_paused, True)], on_done)

    def _present_deciders(self) -> list[str]:
        present = [name for name, client in self._change_state.items() if client.service_is_ready()]
        if not present:
            self._tell(f"none of {', '.join(self._change_state)} is there.", True)
        return present

    def _is_being_switched(self) -> bool:
        """Whether the policy is still being switched for another order; the page says so then."""
        is_switched = self.source.awaits_answer(self._node.now_s())
        if is_switched:
            self._tell(f"{self._policy} is still being switched; ask again when that is done.", True)
        return is_switched

    def _going_on(self, name: str, what: str, has_own_run: bool) -> Callable[[], None]:
        """What to do when a node has come through its transitions: say so, and begin its episodes again."""

        def on_done() -> None:
            if has_own_run:
                self._begin_run(f"{name} {what}. ")
            else:
                self._tell(f"{name} {what}.", False)

        return on_done

    def _begin_run(self, said_before: str) -> None:
        """Call `~/start`; diagnostics that do not tell of its run yet are older than it."""

        def tell(answer: Trigger.Response) -> None:
            if answer.success:
                now_s = self._node.now_s()
                self._own_run.order(True, now_s)
                self._own_run.answered(now_s)
            self._tell(said_before + answer.message, not answer.success)

        self._call(self._start, Trigger.Request(), tell)

    def _change(
        self,
        name: str,
        transitions: list[int],
        ordered: list[tuple[PageChoice, object]],
        on_done: Callable[[], None],
    ) -> None:
        """Lead a node through lifecycle transitions, one after the other; the page shows what is ordered meanwhile."""

        def go_on(answer: ChangeState.Response) -> None:
            if not answer.success:
                refuse()
                self._tell(f"{name} cannot do that now; see its log.", True)
            elif len(transitions) > 1:
                self._change(name, transitions[1:], ordered, on_done)
            else:
                for choice, _ in ordered:
                    choice.answered(self._node.now_s())
                on_done()

        def refuse() -> None:
            for choice, _ in ordered:
                choice.refused()

        for choice, value in ordered:
            choice.order(value, self._node.now_s() + PATIENCE_S)
        request = ChangeState.Request(transition=Transition(id=transitions[0]))
        if not self._call(self._change_state[name], request, go_on):
            refuse()


def _string_parameter(name: str, value: str) -> Parameter:
    return Parameter(name=name, value=ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value))
