"""Where the rows of a stream come from: files of each format, in parts of which none goes missing."""
