"""Helpers that all packages use and that know nothing of data frames."""
