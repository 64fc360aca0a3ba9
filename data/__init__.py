"""Sample data, installed as ``molvae_data`` so that ``molvae demo`` finds it anywhere."""
