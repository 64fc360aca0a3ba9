"""Molecules as RDKit knows them: read, standardised, scored, compared and drawn."""
