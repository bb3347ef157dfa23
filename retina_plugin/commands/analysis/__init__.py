"""Functions behind the commands that analyze configs, data and runs: doctor, imbalance, anchors, errors, labels."""
