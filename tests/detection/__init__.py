"""What detectors see, and what they must not see."""
