"""The arithmetic around the matrix products, compiled by numba; each has a plain form in torch.

    arithmetic      exp and tanh in float32; reading and writing bfloat16
    gates           gates of a GRU step, forward, backward and for sampling
    gru_function    all steps of a layer as one autograd function
    products        matrix products where torch's own are slow
    embedding_sums  the decoder input: a few hundred embeddings, summed
    races           draws of symbols

docs/kernels.md has a section on each.
"""
