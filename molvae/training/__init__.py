"""The ELBO and the training loop."""
