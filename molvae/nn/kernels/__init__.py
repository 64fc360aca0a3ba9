"""The arithmetic around the matrix products, compiled by numba."""
