"""Scores held against labels: an operation, what it fixes when it begins, its figures as documents, what models cost.

It imports `datasets`, where splits are scored; `quantization` stands beside it, and neither imports the other.
"""
