"""What a trained model is for: encode, decode, sample, interpolate."""
