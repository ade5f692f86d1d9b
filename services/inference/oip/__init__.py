"""Models by the Open Inference Protocol, for clients that speak it already.

Requests become calls with tensors, answers become its messages. This room imports `predicting`
and what that rests on; the service's start alone imports it.
"""
