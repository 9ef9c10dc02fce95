"""The run report: one HTML page that says what was learned, from what, and where it is wrong."""
