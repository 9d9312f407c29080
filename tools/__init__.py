"""What developing SMOK needs, and using it does not."""
