"""What parts of the package cost beside named peers."""
