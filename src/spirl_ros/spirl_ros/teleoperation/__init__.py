"""A person moves the tool: devices become tool velocities, tool velocities become actions. Without ROS."""
