"""Tables in compiled code: how keys are found in them, and what Python does with dicts, sets and lists."""
