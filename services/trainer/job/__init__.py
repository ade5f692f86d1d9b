"""What the service and its worker share of one job: its folder, its journal, its environment, its workplace.

Neither imports the other: they meet in files here. No torch. This room imports the trainer's
settings and no other room; every room that reports, or keeps something in the job's folder, imports it.
"""
