"""Ready policies: fast and latent_attn_tiny."""
