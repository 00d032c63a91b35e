"""The stages of a plan, one module per kind of plugin, and the protocols they use."""
