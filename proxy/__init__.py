"""Traffic in, log out."""
