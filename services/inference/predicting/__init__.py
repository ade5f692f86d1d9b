"""From what a caller sends to the answer: recordings, signals, files, tensors, recordings of hours.

This room imports `traffic`, `models` and what they rest on; whoever wants a prediction imports it.
"""
