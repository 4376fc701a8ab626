"""What somebody who subscribes to a latched topic now would be told: the last message of each of its publishers."""

from collections.abc import Callable, Iterator

from rclpy.node import Node
from rclpy.subscription import Subscription

from spirl_ros.recording.bag_writer import RawMessage

_Key = tuple[int, int, bytes]


class LatchedMemory:
    """Remembers one latched topic. Not thread-safe; used in the executor's thread.

    The middleware does not say which publisher a message is of. So where there are several, and when one comes or goes,
    it is
    asked anew by a second subscription, to which every publisher sends what it told last. From then on each publisher
    is followed by its count of messages.
    """

    def __init__(self, node: Node, subscribe: Callable[[], Subscription]) -> None:
        """Remember nothing yet; `subscribe` makes a subscription that is told what was told before."""
        self._node = node
        self._subscribe = subscribe
        self._told: dict[_Key, RawMessage] = {}
        self._asked: Subscription | None = None
        self._answers: dict[_Key, RawMessage] = {}
        self._heard_meanwhile: dict[_Key, RawMessage] = {}
        self._is_settled = self._is_stale = False

    def messages(self, publishers: int) -> list[RawMessage]:
        """In the order in which they came, for a topic that has so many publishers."""
        told = list(self._told.values())
        return told[-1:] if publishers <= 1 else told

    def hear(self, message: RawMessage) -> None:
        """Take in a message of the topic's own subscription."""
        if self._asked is not None:
            self._heard_meanwhile[_key(message)] = message
        key = _key(message)
        if key in self._told:
            return
        before = [one for one in self._told if one[1] == message.sequence - 1]
        if self._is_settled and len(before) == 1:
            del self._told[before[0]]
        else:
            self._is_stale = True
        self._told[key] = message

    def listen(self, take: Callable[[Subscription], Iterator[RawMessage]]) -> None:
        """Take in what publishers answered since the last call."""
        if self._asked is not None:
            for message in take(self._asked):
                self._answers.setdefault(_key(message), message)

    def refresh(self, publishers: int, have_changed: bool) -> None:
        """Ask, or replace what was remembered by the answers. Call it about once a second.

        Args:
            publishers: how many the topic has.
            have_changed: one came or went since the last call.
        """
        if self._asked is not None:
            self.close()
            self._settle()
        if (have_changed and publishers) or (publishers > 1 and self._is_stale):
            self._asked, self._is_stale = self._subscribe(), False
        elif publishers == 1 and self._told:
            last, message = self._told.popitem()
            self._told = {last: message}

    def _settle(self) -> None:
        """Remember what was answered, and go on from there with what was heard meanwhile."""
        answers, self._answers = self._answers, {}
        heard, self._heard_meanwhile = self._heard_meanwhile, {}
        if answers:  # nobody answers where all publishers are volatile
            self._told = {key: message for key, message in answers.items() if key not in heard}
            self._is_settled = True
            for message in heard.values():
                self.hear(message)

    def close(self) -> None:
        """Ask no more."""
        if self._asked is not None:
            self._node.destroy_subscription(self._asked)
            self._asked = None


def _key(message: RawMessage) -> _Key:
    return message.publish_time_ns, message.sequence, message.data
