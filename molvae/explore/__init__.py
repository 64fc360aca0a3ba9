"""The latent space to look at: a map of a set of molecules, and a local page around a lead."""
