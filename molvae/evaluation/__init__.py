"""Quality of a model: distribution metrics of samples, diagnostics of the latent space."""
