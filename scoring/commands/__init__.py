"""The commands that this floor adds to `goldwash`, found by their entry points."""
