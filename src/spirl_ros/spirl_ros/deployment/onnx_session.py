"""Opens ONNX Runtime sessions: settings for small graphs at every control step, on the processor that works."""

import numpy as np
import onnxruntime

from spirl_ros.errors import BundleError, ConfigError

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
PROVIDERS = {"cpu": (CPU,), "cuda": (CUDA,), "auto": (CUDA, CPU)}
"""What a caller asks for, and what is then tried in turn."""

_FATAL_ONLY = 4
_ERRORS, _WARNINGS = 3, 2
"""Sessions report errors alone: a graph's optional input is worth a warning to ONNX Runtime, not to us."""


def open_session(model: bytes, provider: str = "auto") -> onnxruntime.InferenceSession:
    """A session for a model; `get_providers()[0]` of it says where it runs.

    `auto` takes CUDA where ONNX Runtime has it *and* a session with it really runs this model, else the CPU, without a
    word on standard error: a package with CUDA on a machine without is no fault.

    Args:
        model: the ONNX file's bytes; weights in further files are not looked for.
        provider: `auto`, `cpu` or `cuda`.

    Raises:
        BundleError: ONNX Runtime does not take the model.
        ConfigError: an unknown provider, or CUDA was asked for and does not work.
    """
    if provider not in PROVIDERS:
        raise ConfigError(f"provider is '{provider}', expected one of {', '.join(PROVIDERS)}.")
    reason = "this ONNX Runtime has no CUDA"
    if provider != "cpu" and CUDA in onnxruntime.get_available_providers():
        onnxruntime.set_default_logger_severity(_FATAL_ONLY)
        try:
            session = _session(model, [(CUDA, {"use_tf32": "0"}), CPU], _FATAL_ONLY)
            if session.get_providers()[0] == CUDA:
                _run_once(session)
                return session
            reason = "it fell back to the CPU"
        except Exception as error:  # Whatever the driver or the libraries do not like; the CPU remains.
            reason = str(error).splitlines()[0]
        finally:
            onnxruntime.set_default_logger_severity(_WARNINGS)
    if provider == "cuda":
        raise ConfigError(
            f"provider is 'cuda', but that does not work here: {reason}. Install onnxruntime-gpu and a driver, "
            "or set provider to 'auto'."
        )
    try:
        return _session(model, [CPU], _ERRORS)
    except Exception as error:  # ONNX Runtime has an exception of its own for every kind of bad model.
        raise BundleError(f"ONNX Runtime does not take it: {str(error).splitlines()[0]}") from error


def _session(model: bytes, providers: list, severity: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # One thread: handing a layer of 10 µs to a pool costs more than it saves, and spinning workers burn a core.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = severity
    return onnxruntime.InferenceSession(model, options, providers=providers, enable_fallback=0)


def _run_once(session: onnxruntime.InferenceSession) -> None:
    """Run with zeros; the batch axis, which has a name instead of a size, is 1."""
    inputs = {
        node.name: np.zeros([size if isinstance(size, int) else 1 for size in node.shape], np.float32)
        for node in session.get_inputs()
    }
    session.run(None, inputs)
