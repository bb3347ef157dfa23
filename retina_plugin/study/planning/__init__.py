"""Before and between trainings: what a study can detect, when it may be looked at, and simulated studies."""
