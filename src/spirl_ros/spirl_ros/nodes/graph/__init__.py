"""What every node needs of the graph."""
