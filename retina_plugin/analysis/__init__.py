"""Plots and analyses of the losses."""
