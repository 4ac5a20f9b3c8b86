"""What the weaker tier is known not to hide, each with its reason. Everything else has to be contained."""

WHAT_IS_THERE = (
    "Landlock guards no metadata: that a path is there, and its size and times, can be known"
)

KNOWN = {
    "landlock": {
        "stat_secret": WHAT_IS_THERE,
        "access_outside": WHAT_IS_THERE,
        "chdir_probe": WHAT_IS_THERE,
        "flock_grader": "a path can be taken hold of without being opened (O_PATH); nothing more",
    },
}
"""By tier: the attacks that get out of it, and why that cannot be helped there."""
