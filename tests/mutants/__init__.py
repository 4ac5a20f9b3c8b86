"""Small wrongs planted in the mathematics, one at a time, to see whether a test notices.

    python -m tests.mutants [FILE ...] [--jobs N] [--list] [--out FILE]

`changes` says which wrongs there are: a sign, a `detach` that is missing, two things exchanged.
`plant` finds the places of a file where they fit. `judge` runs the tests on each mutant in a fresh
process, `project` says which tests and in which order, `report` whether what was found is enough.
`equivalent` holds the few that are no wrong at all, each with the reason.
"""
