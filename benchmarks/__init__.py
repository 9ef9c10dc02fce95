"""This project measured, beside its peers where it has any; a command a table."""
