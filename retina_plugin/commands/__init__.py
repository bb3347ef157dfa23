"""The body of every script in tools/; a notebook can call the same functions."""
