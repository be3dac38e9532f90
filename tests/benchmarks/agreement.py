"""Peers have to compute the same before their times are compared."""

__all__ = ["check_same"]

CLOSE = 1e-4  # the largest difference, as a part of the largest number, or of 1 where all are smaller


def check_same(what, found, wanted):
    """Stop where two tensors differ by more than rounding.

    Raises:
        ValueError: saying what differs and by how much.
    """
    error = ((found - wanted).abs().max() / wanted.abs().max().clamp_min(1)).item()
    if not error <= CLOSE:
        msg = f"{what} is another function than ours: its result differs by {error:.2g} of the largest number"
        raise ValueError(msg)
