"""An int8 version of a model: made in a process of its own, and judged before it is published.

`operation` and `process` are the service's side, `worker` and all it imports the other; they meet in
files (`order`). The service's side imports `datasets`, the other `scoring` and `engine` alone.
"""
