"""Graphs made into sessions on a device: ONNX Runtime, its providers, and the memory that batches are written into.

This room imports no other room; all that runs a graph imports it.
"""
