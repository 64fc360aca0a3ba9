"""SELFIES as a language: symbols, vocabulary, and the features that a prefix determines."""
