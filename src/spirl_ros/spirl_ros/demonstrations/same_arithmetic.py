"""Small products by MuJoCo's own functions, which add in one order on every x86-64 processor.

numpy hands products and norms to OpenBLAS, which takes another routine for every kind of processor, each with other
last
bits. A contact makes another demonstration of such a bit, so seed 0 of one machine would not be seed 0 of another. What
numpy does element by element, and its sums of a few numbers, are the same everywhere.
"""

import mujoco
import numpy as np


def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """`left @ right` of matrices (N, K) and (K, M)."""
    result = np.empty((left.shape[0], right.shape[1]))
    mujoco.mju_mulMatMat(result, np.ascontiguousarray(left), np.ascontiguousarray(right))
    return result


def product_with_transposed(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """`left @ right.T` of matrices (N, K) and (M, K)."""
    result = np.empty((left.shape[0], right.shape[0]))
    mujoco.mju_mulMatMatT(result, np.ascontiguousarray(left), np.ascontiguousarray(right))
    return result


def applied(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """`matrix @ vector` of (N, K) and (K,)."""
    result = np.empty(matrix.shape[0])
    mujoco.mju_mulMatVec(result, np.ascontiguousarray(matrix), vector)
    return result


def transposed_applied(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """`matrix.T @ vector` of (N, K) and (N,)."""
    result = np.empty(matrix.shape[1])
    mujoco.mju_mulMatTVec(result, np.ascontiguousarray(matrix), vector)
    return result
