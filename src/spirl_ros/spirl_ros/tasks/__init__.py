"""Tasks: scene, reward and success. Nothing here knows ROS or how the arm is controlled."""
