"""Targets: what a golden case is asked of, one kind a file; `variants` are what is run, `requests` what is asked."""
