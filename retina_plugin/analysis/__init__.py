"""Analyses of configs, data and runs: doctor, anchors, imbalance, errors, label errors; plots of losses."""
