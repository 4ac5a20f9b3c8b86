"""What Cohort promises about runs, shown on many cases at once; `make prove` runs all of it."""
