"""What a job is and how one runs: ECGs from signal to scores, tensors as they come, and what is said beside them.

This room imports `engine`. It knows nothing of queues; `models` brings the two together.
"""
