"""Which nodes make a graph, and how they are started."""
