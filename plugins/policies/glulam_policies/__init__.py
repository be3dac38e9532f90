"""Ready policies: YAML files, a Python config, and policy classes."""
