"""Weights as their authors published them made into a model version, outside any job.

`upload` belongs to the service and imports no torch; it starts `worker` as a process of its own,
with limits on time and memory, and that converts with `published`, which is a command as well. This
room imports `publication`, `planning` and `job`; only the service's face imports it.
"""
