"""Parts of the node with which a person moves the arm."""
