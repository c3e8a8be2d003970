"""Golden cases: failures of production, redacted and confirmed, that the next release is held to."""
