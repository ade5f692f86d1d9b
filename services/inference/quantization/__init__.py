"""An int8 version of a model: made in a process of its own, and judged before it is published.

`operation` and `process` are the service's side; `worker` and the rest are the other process's, and the two
meet in files (`order`). This room imports `datasets`, `scoring` and `engine`.
"""
