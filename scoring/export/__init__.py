"""Sends what the log holds to where teams already look: spans, evaluations and metrics by OTLP, read behind a cursor of its own."""
