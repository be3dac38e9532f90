"""Environments stepped in processes of their own, over shared memory, and played by turns."""
