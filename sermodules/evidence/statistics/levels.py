"""What all of the statistics take as given: the level of intervals, what counts as a difference, what counts as none."""

#: Level of every interval.
LEVEL = 0.95

#: Largest p-value that counts as a difference found.
ALPHA = 0.05

#: Region of practical equivalence: a difference of less than this many points of UAR counts as none.
ROPE = 1.0

#: Points of UAR that are no difference, only rounding.
EQUAL = 1e-9
