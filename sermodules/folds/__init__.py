"""Who trains, who validates, who is tested; and how utterances become segments and come back.

`protocol` makes the folds, `segments` cuts and pools, `gender` says what a network is told, `parts` puts a fold together.
Nothing here learns more than means and standard deviations of the training part.
"""
