"""Files that appear whole, and text that comes from outside."""
