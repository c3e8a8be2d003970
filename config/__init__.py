"""The ground floor: what an operator edits, and the typed loader that reads it."""
