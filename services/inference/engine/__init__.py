"""Graphs made into sessions on a device, by ONNX Runtime: providers, and the memory that batches are written into.

This room imports no other room; all that runs a graph imports it.
"""
