"""Dates as text, and text as dates, in formats that are read while a kernel is compiled."""
