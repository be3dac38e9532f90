"""Blueprints to draw: of real policies, and drawn at random."""

import random

from glulam.picture._blueprint import ENVIRONMENT, Blueprint, Board, Line, Use

POLICIES = ("fast", "latent_attn_tiny", "latent_attn_small", "latent_attn_med", "vit_lstm")
FOREST = "mettagrid:forage"
HOSTILE = """</script></style><script>alert(1)</script>"'&<img src=x onerror=alert(2)>"""

BROKEN = """\
glulam: 1
name: broken
obs_shaper: token_shaper
layers:
  - {layer: fourier_tokens, in_key: tokens, out_key: token_features}
  - {layer: latent_attention, in_key: token_featurs, out_key: latents, num_heads: 5}
  - {layer: lstmm, in_key: latents, out_key: core}
  - {layer: linear_actor, in_key: core, out_key: logits}
action_head: {layer: action_distribution, in_key: logits}
lasers: 3
"""


def random_blueprint(seed, boards=14):
    """A policy of boards that read what was written before, whatever that is."""
    draw = random.Random(seed)  # noqa: S311 - nothing secret
    lines = [Line(key=f"input_{n}", shape="[4]", dtype="float", writer=ENVIRONMENT) for n in range(3)]
    made = []
    for number in range(boards):
        name = f"layer_{number}"
        read = draw.sample(range(len(lines)), k=draw.choice((0, 1, 1, 1, 2, 3)))
        for line in read:
            lines[line] = lines[line].read_by(name)
        writes = range(len(lines), len(lines) + draw.choice((1, 1, 2)))
        lines += [Line(key="k" * draw.randint(1, 30), shape="[4]", dtype="float", writer=name) for _ in writes]
        uses = [tuple(Use("in_key", lines[n].key, n) for n in numbers) for numbers in (read, writes)]
        made.append(Board(name=name, role="layer", kind="scale", distribution=f"d{number % 4}", reads=uses[0],
                          writes=uses[1]))  # fmt: skip
    return Blueprint(name="random", env="toy", boards=tuple(made), lines=tuple(lines))
