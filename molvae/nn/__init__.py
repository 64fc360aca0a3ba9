"""The variational autoencoder: GRU encoder, posterior, GRU decoder."""
