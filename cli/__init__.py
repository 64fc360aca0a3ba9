"""The command line: one file a verb, options in, library calls, rows out."""
