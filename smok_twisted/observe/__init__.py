"""What is seen of the wire: metrics, captures that others can read, and a log that a stranger cannot flood."""
