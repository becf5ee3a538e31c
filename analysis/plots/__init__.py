"""What the plots of a run draw, and the drawings that need no script."""
