"""What the daemon tells about itself: metrics, and a log that a stranger cannot flood."""
