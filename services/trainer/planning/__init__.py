"""A training request made into a plan: recipe, base, targets, what is inherited, what the data's counts allow.

Every choice is made here, and what the data's own counts say against a run is refused here, before a
record is read. No torch: the service plans, the worker obeys. This room imports no other room; all
that carry out a plan import it.
"""
