"""The dictionary of features: what a name means, who says so, and what it meant before."""
