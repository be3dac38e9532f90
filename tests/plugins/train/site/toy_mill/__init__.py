"""A world, layers and losses small enough to check by hand, installed as a stranger's plug-in would be."""
