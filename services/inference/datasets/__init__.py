"""Dataset splits and their labels: a split scored record by record, and which outputs answer which labels.

This room imports `predicting` and `keeping`; evaluation, quantization and long work import it.
"""
