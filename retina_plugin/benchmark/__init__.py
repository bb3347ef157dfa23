"""Time and memory compared with other implementations."""
