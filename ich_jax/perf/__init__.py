"""How fast something is: timing of two ways to do the same work."""
