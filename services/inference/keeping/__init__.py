"""Predictions in inference's own database: the list of all that were given, and those of operations by their place.

This room imports no other room.
"""
