"""What runs are worth: scores, statistics, the paper's tables and claims, the report. Nothing here trains.

`paper` holds what was printed, `scores` makes one table of many runs, `statistics` compares, `claims` decides, `report` tells.
"""
