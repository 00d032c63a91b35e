"""Files that are written completely or not at all, and paths told apart by what they are."""
