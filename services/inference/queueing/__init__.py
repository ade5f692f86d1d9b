"""One bounded queue a model: who waits, whose turn it is, how many run at once, and what waits will take.

It knows neither ECGs nor models: jobs are whatever its runner takes. This room imports no other room.
"""
