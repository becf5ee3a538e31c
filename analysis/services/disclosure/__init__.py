"""What may be told of a run's numbers, and to whom: a module a rule, asked by `release`."""
