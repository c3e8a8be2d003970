"""Bytes in any pieces become events here, with no socket, clock or file in sight."""
