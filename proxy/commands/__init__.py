"""The commands of `goldwash`, one a module."""
