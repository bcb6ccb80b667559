"""Whether this place can do a study: what is installed, what may be written, what changes numbers, what is missing.

`examination` makes all checks, and those that a study makes before its first run. Each other file looks at one thing:
`packages`, `computing`, `place`, `code`, `recordings`, `optional`. None of them needs TensorFlow, trains, or leaves a file.
"""
