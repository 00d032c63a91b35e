"""The sources of a stream: files of each format, read in parts of which none goes missing."""
