"""The sinks of a stream: files and folders that are written completely or not at all."""
