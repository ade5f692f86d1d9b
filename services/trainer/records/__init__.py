"""The records of a plan: fetched from ingest, conditioned once, cached as memory-mapped columns, dealt out as examples.

What they will need of disk and memory is said before they are fetched. No torch: examples are
numpy arrays. This room imports `job` and `planning`; networks, learning and all above import it.
"""
