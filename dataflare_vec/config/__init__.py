"""Settings as frozen dataclasses, and the sources of their values."""
