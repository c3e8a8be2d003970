"""The log service: loads the spool into the log, and answers health, metrics, SQL, feedback, scores and the web page."""
