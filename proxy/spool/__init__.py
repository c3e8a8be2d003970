"""The truth: what was accepted and what became of it, appended to mapped segments that survive the death of the process."""
