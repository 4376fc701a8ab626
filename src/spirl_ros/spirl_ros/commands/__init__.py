"""The `spirl` command line."""
