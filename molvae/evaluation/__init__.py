"""How good a model is: distribution metrics and latent-space diagnostics."""
