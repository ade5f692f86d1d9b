"""A candidate version beside the one in service: who answers, what differs, and the files that remember it.

This room imports `models` and `scoring`; `predicting` asks it for every input, and knows no more of it.
"""
