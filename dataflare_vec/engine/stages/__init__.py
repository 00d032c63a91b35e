"""The stages of a plan, one file for each kind of plugin, and what they know of a run."""
