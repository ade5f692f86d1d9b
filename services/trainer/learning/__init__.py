"""One network learns: batches and their variations, losses, optimizers, schedules, the loop, checkpoints, figures.

Networks are given to it, and it asks nothing of who made them. Of a plan it knows the recipe
alone, of a dataset the examples alone. This room imports `records`, `planning` and `job`;
`networks` stands beside it, and neither imports the other.
"""
