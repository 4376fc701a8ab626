"""The Franka kitchen: a 9-joint arm among seven things to open, turn, slide and move."""
