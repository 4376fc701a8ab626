"""Arms: the interfaces that a ros2_control arm offers, simulated or real."""
