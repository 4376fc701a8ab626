"""Records messages as rosbag2 bags, one per episode, and loses nothing: without ROS, on serialised messages."""
