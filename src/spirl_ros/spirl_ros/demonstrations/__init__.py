"""Demonstrations: who makes them, how they are stored and what is cut from them."""
