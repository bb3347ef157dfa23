"""What keeps a training exact and safe: guards, signals, identity, verification."""
