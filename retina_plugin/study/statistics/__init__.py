"""From the metrics of runs to estimates, verdicts and warnings."""
