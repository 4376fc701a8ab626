"""Parts of the nodes that show what happens."""
