"""What the scripts of tools/ do; a notebook can call the same functions."""
