"""Functions that commands of `retina` call; a notebook can call them, too."""
