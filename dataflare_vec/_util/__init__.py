"""What all rooms use, and which knows nothing of data frames."""
