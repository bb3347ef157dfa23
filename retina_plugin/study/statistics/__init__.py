"""What the runs of a study show: matches, resampling, estimates and verdicts."""
