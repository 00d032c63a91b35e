"""Races: one file a topic, each a list of figures measured side by side."""
