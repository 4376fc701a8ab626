"""Bundles made to hang, to take all memory or to read what they should not: refused in one line, soon and cheaply."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

import onnx
from onnx import TensorProto, helper

from spirl_ros.deployment.bundle import load_bundle
from spirl_ros.deployment.bundle_file import BUNDLE_FILE
from spirl_ros.deployment.onnx_operators import check_operators
from spirl_ros.errors import BundleError
from tests.deployment.small_bundle import OPSET, closed_loop_decoder, make_model, write_bundle

INPUTS, OUTPUTS = {"state": (3,), "latent": (2,)}, {"action": (2,)}
# 0 times the hostile part is added to an action that is right.
RIGHT = [("Concat", ("state", "latent"), "all", {"axis": 1}), ("MatMul", ("all", "weights"), "right", {})]
END = [("Mul", ("bad", "zero"), "nothing", {}), ("Add", ("right", "nothing"), "action", {})]


def decoder(nodes: list, constants: dict) -> bytes:
    weights = np.zeros((5, 2), np.float32)
    weights[[0, 1], [0, 1]], weights[[3, 4], [0, 1]] = 1.0, 10.0
    constants = {"weights": weights, "zero": np.zeros((1, 1), np.float32), **constants}
    return make_model(INPUTS, OUTPUTS, [*RIGHT, *nodes, *END], constants)


def endless_loop() -> bytes:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Identity", ["x"], ["y"])],
        "body",
        [
            helper.make_tensor_value_info("count", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
        ],
    )
    return decoder([("Loop", ("", "yes", "right"), "bad", {"body": body})], {"yes": np.array(True)})


def sum_of(name: str) -> tuple:
    return ("ReduceMax", (name,), "bad", {"keepdims": 0})


def expand_by_a_constant() -> bytes:
    """16 GB."""
    return decoder(
        [("Expand", ("right", "shape"), "large", {}), sum_of("large")], {"shape": np.array([2_000_000_000, 1, 2])}
    )


def expand_by_what_is_measured() -> bytes:
    nodes = [
        ("Abs", ("state",), "size", {}),
        ("ReduceMax", ("size",), "most", {"keepdims": 1}),
        ("Reshape", ("most", "one"), "flat", {}),
        ("Cast", ("flat",), "shape", {"to": TensorProto.INT64}),
        ("Expand", ("zero", "shape"), "large", {}),
        sum_of("large"),
    ]
    return decoder(nodes, {"one": np.array([1])})


def outer_product() -> bytes:
    """Of 100,000 by 100,000: 40 GB from 0.8 MB."""
    constants = {"tall": np.ones((100_000, 1), np.float32), "wide": np.ones((1, 100_000), np.float32)}
    nodes = [
        ("ReduceMax", ("right",), "some", {"keepdims": 0}),
        ("Mul", ("tall", "some"), "column", {}),
        ("MatMul", ("column", "wide"), "large", {}),
        sum_of("large"),
    ]
    return decoder(nodes, constants)


def doublings() -> bytes:
    nodes = [("Concat", (f"c{n}", f"c{n}"), f"c{n + 1}", {"axis": 0}) for n in range(40)]
    return decoder([("Identity", ("right",), "c0", {}), *nodes, sum_of("c40")], {})


def hours_of_products() -> bytes:
    square = np.full((1000, 1000), 1e-3, np.float32)
    nodes = [("MatMul", (f"m{n}", "square"), f"m{n + 1}", {}) for n in range(5000)]
    first = [("ReduceMax", ("right",), "some", {"keepdims": 0}), ("Mul", ("square", "some"), "m0", {})]
    return decoder([*first, *nodes, sum_of("m5000")], {"square": square})


def products_while_it_is_opened() -> bytes:
    """Of constants, so that ONNX Runtime works them out before it runs anything."""
    square = np.full((1000, 1000), 1e-3, np.float32)
    nodes = [("MatMul", (f"m{n}", "square"), f"m{n + 1}", {}) for n in range(5000)]
    return decoder([("Identity", ("square",), "m0", {}), *nodes, sum_of("m5000")], {"square": square})


def far_more_nodes_than_any_network() -> bytes:
    nodes = [("Identity", (f"i{n}",), f"i{n + 1}", {}) for n in range(200_000)]
    return decoder([("Identity", ("right",), "i0", {}), *nodes, sum_of("i200000")], {})


def weights_in_another_file() -> bytes:
    model = onnx.load_from_string(closed_loop_decoder())
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return model.SerializeToString()


def weights_without_values() -> bytes:
    model = onnx.load_from_string(closed_loop_decoder())
    model.graph.initializer[0].ClearField("raw_data")
    model.graph.initializer[0].dims[:] = [1 << 40, 1 << 20]
    return model.SerializeToString()


def node_after_node() -> bytes:
    """Of two bytes each in the file, and of 150 each when they are read: 4 GB."""
    nodes = b"\x0a\x00" * 30_000_000  # field 1 of a graph, no bytes long
    size = bytes((len(nodes) >> shift) & 0x7F | (0x80 if shift < 21 else 0) for shift in (0, 7, 14, 21))
    return b"\x3a" + size + nodes  # field 7 of a model


def graph_in_two_parts() -> bytes:
    """A reader of protocol buffers joins them: each alone has nothing that is measured and sets a size."""
    model = onnx.load_from_string(expand_by_what_is_measured())
    first, second = onnx.ModelProto(), onnx.ModelProto()
    first.CopyFrom(model)
    del first.graph.node[4:], model.graph.node[:4]
    second.graph.node.extend(model.graph.node)
    return first.SerializeToString() + second.SerializeToString()


TOO_LONG = "more than 3 s of processor time|took more than 8 s"
"""On a machine that does many other things the second comes first."""

GRAPHS: list[tuple[Callable[[], bytes], str]] = [
    (endless_loop, "operator Loop is not one"),
    (expand_by_a_constant, f"running its graphs fails|does not take it|{TOO_LONG}"),
    (expand_by_what_is_measured, "how much its operator Expand gives depends on what is measured"),
    (outer_product, "running its graphs fails|does not take it"),
    (doublings, "running its graphs fails|does not take it"),
    (hours_of_products, f"{TOO_LONG}|bad_alloc"),
    (products_while_it_is_opened, f"{TOO_LONG}|bad_alloc"),
    (far_more_nodes_than_any_network, "more than 10000 nodes"),
    (node_after_node, f"running its graphs fails|not an ONNX model|{TOO_LONG}"),
    (graph_in_two_parts, "how much its operator Expand gives depends on what is measured"),
    (weights_in_another_file, "in another file"),
    (weights_without_values, "does not take it"),
]


# A process begins with the memory of the one that started it, so a small one starts and measures it.
MEASURE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
print(done.stdout)
"""


def check(folder: Path) -> tuple[str, float, float]:
    """What `spirl check` says of a bundle, its time [s] and the most memory of it and its processes [MB]."""
    command = [sys.executable, "-m", "spirl_ros.commands.main", "check", str(folder), "--provider", "cpu"]
    begin_s = time.monotonic()
    done = subprocess.run([sys.executable, "-S", "-c", MEASURE, *command], stdout=subprocess.PIPE, text=True)
    figures, told = done.stdout.split("\n", 1)
    returned, memory_kb = map(int, figures.split())
    assert returned == 2, told
    return told, time.monotonic() - begin_s, memory_kb / 1e3


def assert_refused(folder: Path, reason: str) -> None:
    told, time_s, memory_mb = check(folder)
    lines = told.strip().splitlines()
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(told)
    assert len(lines) == 1 and lines[0].startswith("error: ") and len(lines[0]) < 1000, told
    # Of 3 s of processor time and the start of two processes; three times as long beside other work.
    assert time_s < 15.0 and memory_mb < 500.0


@pytest.mark.parametrize(("make", "reason"), GRAPHS, ids=[make.__name__ for make, _ in GRAPHS])
def test_hostile_graph_is_refused(tmp_path: Path, make: Callable[[], bytes], reason: str) -> None:
    """An endless loop hung `spirl check` for good, and an expansion to 16 GB ended in a traceback."""
    write_bundle(tmp_path / "small", decoder=make(), is_known=False)
    assert_refused(tmp_path / "small", reason)


@pytest.mark.parametrize("name", [BUNDLE_FILE, "skill_decoder.onnx"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "itself", "large"])
def test_file_that_is_none_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    """A pipe was waited for, and a link to a device was read without end."""
    write_bundle(tmp_path / "small")
    path = tmp_path / "small" / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "large":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path)
    reason = {"large": "more than", "itself": "cannot be read"}.get(kind, "expected a regular file")
    assert_refused(tmp_path / "small", reason)


@pytest.mark.parametrize(
    ("written", "instead", "reason"),
    [
        ("name: small", "name: &a [x, x]\ntask: [" + "*a, " * 1000 + "]", "anchor &a is not allowed"),
        ("skill_horizon: 4", "skill_horizon: 4000000000", "expected 1 to 10000"),
        ("name: small", "name: ['" + "x" * 900_000 + "']", "name is \\['xxx.*, expected a text"),
        ("name: small", "name: " + "[" * 10_000, "nested more than 50"),
        ("name: small", 'name: "\\e[2J\\nINFO: all is well"', "printable characters"),
        ("control_rate_hz: 12.5", "control_rate_hz: 1.0e+300", "at most 10000"),
    ],
)
def test_hostile_description_is_refused(tmp_path: Path, written: str, instead: str, reason: str) -> None:
    write_bundle(tmp_path / "small")
    path = tmp_path / "small" / BUNDLE_FILE
    path.write_text(path.read_text().replace(written, instead))
    assert_refused(tmp_path / "small", reason)


def test_bundle_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that tries a bundle takes 0.6 s, which no start but the first should wait for."""
    monkeypatch.setenv("SPIRL_CACHE", str(tmp_path / "cache"))
    write_bundle(tmp_path / "small", is_known=False)
    digest = load_bundle(tmp_path / "small", "cpu").digest
    assert [path.name.split(".")[0] for path in (tmp_path / "cache" / "bundles_that_ran").iterdir()] == [digest]
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("it was tried again"))
    load_bundle(tmp_path / "small", "cpu")


def test_bundle_loads_where_nothing_can_be_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPIRL_CACHE", str(tmp_path / "file"))
    write_bundle(tmp_path / "small", is_known=False)
    load_bundle(tmp_path / "small", "cpu")


def test_order_of_the_nodes_hides_nothing() -> None:
    model = onnx.load_from_string(expand_by_what_is_measured())
    nodes = list(reversed(model.graph.node))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    with pytest.raises(BundleError, match="depends on what is measured"):
        check_operators(model.SerializeToString(), OPSET)


def test_damaged_graphs_are_refused_by_name_and_not_by_a_crash(tmp_path: Path) -> None:
    good, generator = closed_loop_decoder(), np.random.default_rng(0)
    for _ in range(3000):
        damaged = bytearray(good)
        for _ in range(int(generator.integers(1, 6))):
            damaged[generator.integers(len(good))] = generator.integers(256)
        try:
            check_operators(bytes(damaged[: generator.integers(1, len(good) + 1)]), OPSET)
        except BundleError as error:
            assert str(error).isprintable()
