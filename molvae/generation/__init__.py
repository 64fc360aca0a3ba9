"""A trained model in use: encode, decode, sample, interpolate."""
