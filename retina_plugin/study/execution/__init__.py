"""Which runs a study has, where they run, and what is known of them already."""
