"""Parts of the node that chooses skills."""
