"""Which runs a study has, where they run, and what is known about them already."""
