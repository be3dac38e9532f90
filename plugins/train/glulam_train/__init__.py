"""A PPO trainer, evaluation, learning curves and sweeps."""
