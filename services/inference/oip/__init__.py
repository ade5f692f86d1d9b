"""The Open Inference Protocol: its requests become calls with tensors, and answers its messages.

This room imports `predicting`; the service's start alone imports it. `servicer`, the edge of our own
protocol, stands beside it, and neither imports the other.
"""
