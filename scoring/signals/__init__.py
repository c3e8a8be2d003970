"""What users say without saying it: asking again, rephrasing, correcting, leaving; found in the log, an exchange at a time."""
