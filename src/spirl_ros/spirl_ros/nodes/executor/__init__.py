"""Parts of the node that commands the arm."""
