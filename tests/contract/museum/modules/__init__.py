"""The modules of the museum, which need torch; their configs, which do not, lie one folder up."""
