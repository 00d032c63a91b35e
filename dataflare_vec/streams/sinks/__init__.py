"""Where the rows of a stream go: files and folders that are whole or aren't there."""
