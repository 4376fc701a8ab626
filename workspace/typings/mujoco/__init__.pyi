# mujoco is a compiled module without type information: every name in it may be used.
from typing import Any

def __getattr__(name: str) -> Any: ...
