"""From observation to joint command, without ROS and without torch; time is always an argument."""
