"""From what a caller sends to the answer: stored recordings, signals, files, tensors, recordings of hours.

This room imports `traffic`, `models` and `keeping`; all who want a prediction import it.
"""
