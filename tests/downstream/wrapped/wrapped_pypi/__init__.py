"""Modules of x-transformers, einops, vit-pytorch and timm as glulam layers, wrapped as a user would."""
