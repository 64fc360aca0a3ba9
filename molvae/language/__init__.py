"""SELFIES as a language: symbols, the vocabulary, and what a prefix of symbols determines."""
