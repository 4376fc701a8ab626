"""ROS 2 nodes: they carry messages to and from the objects of the other folders. Only here rclpy is imported."""
