"""From trained networks to a model version: ONNX file and weights, calibration, report, model card, documents.

It takes networks and what they were trained on, and asks nothing of how many runs there were.
This room imports `networks`, `learning` and what they rest on; production and `weights` import it.
"""
