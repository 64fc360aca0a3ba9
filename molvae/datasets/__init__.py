"""Files of molecules, read into arrays of symbol ids."""
