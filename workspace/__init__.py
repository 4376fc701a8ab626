"""Set-up of a clone: Python environment, ROS 2, messages and package. `make setup` runs it through workspace/run."""
