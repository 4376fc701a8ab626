from spirl_ros.monitoring.order_queue import MOST_WAITING, OrderQueue
from spirl_ros.monitoring.orders import RESET, STOP, TASK, Order


def test_stop_comes_first_however_many_orders_wait() -> None:
    """A flooded page carried out every press in turn, the emergency stop last."""
    queue = OrderQueue()
    taken = [queue.put(Order(RESET)) for _ in range(1000)]
    assert taken.count(True) == len(queue) == MOST_WAITING
    assert queue.put(Order(STOP)) and queue.put(Order(STOP))
    assert queue.put(Order(TASK, "kettle"))
    assert [queue.take() for _ in range(3)] == [Order(STOP), Order(TASK, "kettle"), None]


def test_other_orders_keep_their_order() -> None:
    queue = OrderQueue()
    for order in (Order(TASK, "kettle"), Order(RESET)):
        queue.put(order)
    assert (queue.take(), queue.take()) == (Order(TASK, "kettle"), Order(RESET)) and len(queue) == 0
