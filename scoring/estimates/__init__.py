"""Failure rates with intervals that hold although the judge errs: pure statistics, seeds handed in."""
