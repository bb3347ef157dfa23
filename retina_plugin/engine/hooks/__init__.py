"""Every hook of a training, and the one list that orders them (`build.py`)."""
