"""Models that serve: resolved, loaded, measured, held within their memory, called through their queues.

Here `queueing`, `scoring` and `engine` come together; all that predicts imports this room.
"""
