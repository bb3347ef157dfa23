"""`python -m retina_cli` is `retina`, where its folder is not on the PATH."""

from .main import main

main()
