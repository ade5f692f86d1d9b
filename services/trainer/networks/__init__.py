"""Where a run's networks come from: made fresh, filled with a base's weights, or converted from its ONNX file.

`foundation` fetches and checks a base, `foreign` converts graphs of other makers, `ensemble` is
several networks as one. This room imports `records`, `planning` and `job`, and knows nothing of learning.
"""
