"""A PPO trainer, evaluation and learning curves."""
