import numpy as np

from spirl_ros.demonstrations.same_arithmetic import applied, product, product_with_transposed, transposed_applied

LEFT = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
RIGHT = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])


def test_products_are_those_worked_out_by_hand():
    # 1 + 0 + 3, 0 + 4 + 3; 4 + 0 + 6, 0 + 10 + 6
    np.testing.assert_array_equal(product(LEFT, RIGHT), [[4.0, 7.0], [10.0, 16.0]])
    # 1 + 4 + 9, 4 + 10 + 18; 16 + 25 + 36
    np.testing.assert_array_equal(product_with_transposed(LEFT, LEFT), [[14.0, 32.0], [32.0, 77.0]])
    np.testing.assert_array_equal(applied(LEFT, np.array([1.0, 0.0, -1.0])), [-2.0, -2.0])
    np.testing.assert_array_equal(transposed_applied(LEFT, np.array([1.0, -1.0])), [-3.0, -3.0, -3.0])


def test_views_of_larger_arrays_are_read_right():
    wide = np.arange(24.0).reshape(3, 8)[:, 1:3]
    np.testing.assert_array_equal(product(wide.T, wide), wide.T @ wide)
    np.testing.assert_array_equal(transposed_applied(wide, np.ones(3)), [27.0, 30.0])
