"""Learning needs torch, which the robot's installation does not have."""

import importlib.util

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    import torch

    torch.set_num_threads(1)  # waiting for each other costs small networks more than they gain
