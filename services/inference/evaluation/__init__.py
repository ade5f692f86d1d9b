"""Scores held against labels: what is fixed at the start, figures as documents, models compared, and what they cost.

It imports `datasets`, where splits are scored; `quantization` stands beside it, and neither imports the other.
"""
