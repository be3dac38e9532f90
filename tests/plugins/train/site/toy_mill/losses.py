"""Losses of a stranger: of the middle of the network, of a segment's beginning, and three that go wrong."""

import glulam


@glulam.layer
class L2(glulam.LossConfig):
    """The mean square of any key; stores what the key was in the rollout."""

    key: str = glulam.reads("core", shape="...")
    old_key: str = glulam.stored("core")

    def build(self):
        def loss(current, stored):
            moved = (current.get(self.key).detach() - stored.get(self.old_key)).abs().max()
            return current.get(self.key).square().mean(), {"moved": moved}

        return loss


@glulam.layer
class Opening(glulam.LossConfig):
    """Stores once a segment the cue that it begins with, and wants all values of the segment near it."""

    key: str = glulam.reads("values", shape="")

    def experience_spec(self):
        return {"opening": glulam.TensorSpec((), "float32", per="segment")}

    def build(self):
        class NearOpening:
            def observe(self, td):
                td.set("opening", td["env_obs"][:, 0, 2].float())

            def __call__(self, current, stored):
                gap = current["values"] - stored["opening"][:, None]
                return gap.square().mean(), {}

        return NearOpening()


@glulam.layer
class Constant(glulam.LossConfig):
    def build(self):
        import torch

        return lambda current, stored: (torch.ones(()), {})


@glulam.layer
class NotANumber(glulam.LossConfig):
    """Fine for `after` minibatches, NaN from then on."""

    key: str = glulam.reads("values", shape="")
    after: int = 0

    def build(self):
        calls = []

        def loss(current, stored):
            calls.append(None)
            factor = float("nan") if len(calls) > self.after else 1.0
            return factor * current.get(self.key).mean(), {}

        return loss


@glulam.layer
class Surprise(glulam.LossConfig):
    key: str = glulam.stored("surprise", shape="", writer="trainer")

    def build(self):
        return lambda current, stored: (stored.get("surprise").mean(), {})
