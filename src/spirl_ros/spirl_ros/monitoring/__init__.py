"""What shows the arm, its skills and its training to people: the web page, and what RViz draws. No ROS here."""
