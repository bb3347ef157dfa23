"""What is wrong with a config, its data or a finished run, and what to do about it."""
