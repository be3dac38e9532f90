"""Modules of torch and TorchRL as glulam layers, wrapped as a user would: a plug-in of nobody's."""
