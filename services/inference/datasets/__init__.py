"""Dataset splits: scored record by record, and which outputs of a model answer which of their labels.

This room imports `predicting` and `keeping`; evaluation, quantization and long work import it.
"""
