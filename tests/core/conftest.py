"""Fake plug-ins are folders: a `.dist-info` on a path is an installed distribution."""

import itertools
import sys
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

import glulam
from glulam import ActionSpec, EnvSpec, Feature, Registry, TokenLayout

_NUMBERS = itertools.count()

BOARDS = '''
    """Layers of plain arithmetic, so that a test can work out every value by hand."""
    import attrs
    import glulam
    from attrs.validators import gt


    def module(forward, **attributes):
        import torch

        result = torch.nn.Module()
        result.forward = forward
        for name, value in attributes.items():
            setattr(result, name, value)
        return result


    @glulam.layer
    class Shaper(glulam.ObsShaperConfig):
        in_key: str = glulam.reads("env_obs", dtype="uint8", shape="env.num_tokens env.token_columns")
        out_key: str = glulam.writes("tokens", shape="N env.token_columns")
        mask_key: str = glulam.writes("token_mask", dtype="bool", shape="N")

        def build(self, obs_meta):
            return module(lambda obs: (obs.float(), obs[..., 0] != obs_meta["tokens"]["padding"]))


    @glulam.layer
    class Pool(glulam.LayerConfig):
        """The mean over tokens."""
        in_key: str = glulam.reads("tokens", shape="N in_dim")
        out_key: str = glulam.writes("pooled", shape="in_dim")
        in_dim: int | None = None

        def build(self):
            return module(lambda x: x.mean(1))


    @glulam.layer
    class First(glulam.LayerConfig):
        """The first column of each token."""
        in_key: str = glulam.reads("tokens", shape="N in_dim")
        out_key: str = glulam.writes("firsts", shape="N")
        in_dim: int | None = None

        def build(self):
            return module(lambda x: x[..., 0])


    @glulam.layer
    class Scale(glulam.LayerConfig):
        """A factor, the input repeated `times` times."""
        in_key: str = glulam.reads("pooled", shape="in_dim")
        out_key: str = glulam.writes("scaled", shape="out_dim")
        in_dim: int | None = None
        times: int = attrs.field(default=1, validator=gt(0))
        factor: float = 2.0

        @property
        def out_dim(self):
            if self.times > 100:
                raise ValueError(f"times {self.times} is over 100")
            return self.in_dim * self.times

        def build(self):
            return module(lambda x: x.repeat(1, self.times) * self.factor)


    @glulam.layer
    class Logits(glulam.LayerConfig):
        """One logit an action: the mean of the input times the action's number."""
        in_key: str = glulam.reads("scaled", shape="in_dim")
        out_key: str = glulam.writes("logits", shape="env.num_actions")
        values_key: str = glulam.writes("values", shape="")
        in_dim: int | None = None

        def build(self):
            import torch

            def forward(x):
                mean = x.mean(1)
                return mean[:, None] * torch.arange(layer.count), mean * layer.weight

            layer = module(forward, count=0, weight=torch.nn.Parameter(torch.ones(())))
            layer.initialize_to_environment = lambda env, device: setattr(layer, "count", env.num_actions)
            return layer


    @glulam.layer
    class Head(glulam.LayerConfig):
        """Chooses the likeliest action."""
        in_key: str = glulam.reads("logits", shape="A")
        actions_key: str = glulam.writes("actions", dtype="int64", shape="", phase="act")
        log_prob_key: str = glulam.writes("act_log_prob", shape="")
        entropy_key: str = glulam.writes("entropy", shape="", phase="score")

        def build(self):
            def act(logits):
                best, actions = logits.log_softmax(-1).max(-1)
                return actions, best

            def score(logits, actions):
                table = logits.log_softmax(-1)
                return table.gather(-1, actions[:, None])[:, 0], -(table.exp() * table).sum(-1)

            return module(act, act=act, score=score)


    @glulam.layer
    class Sum(glulam.LayerConfig):
        """A memory: the running sum of the inputs since the episode began."""
        in_key: str = glulam.reads("scaled", shape="in_dim")
        out_key: str = glulam.writes("summed", shape="in_dim")
        in_dim: int | None = None

        def build(self):
            width = self.in_dim

            class Memory(glulam.MemoryLayer):
                def state_spec(self):
                    return {"sum": glulam.TensorSpec((width,), "float")}

                def step(self, x, state):
                    total = state["sum"] + x
                    return total, {"sum": total}

            return Memory()


    class MeanLoss(glulam.LossConfig):
        pass
'''
BOARD_POINTS = {
    "glulam.layers": {
        "shaper": "Shaper",
        "pool": "Pool",
        "first": "First",
        "scale": "Scale",
        "logit_table": "Logits",
        "head": "Head",
        "running_sum": "Sum",
    }
}

POLICY = """\
glulam: 1
name: beam
obs_shaper: {layer: shaper}
layers:
  - {layer: pool, in_key: tokens, out_key: pooled}
  - {layer: scale, in_key: pooled, out_key: scaled, times: 2}
  - {layer: running_sum, in_key: scaled, out_key: summed}
  - {layer: logit_table, in_key: summed, out_key: logits}
action_head: {layer: head, in_key: logits}
"""


class Plugins:
    """A folder of fake distributions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: list[str] = []

    def add(self, name: str, points: dict[str, dict[str, str]], source: str = "", version: str = "1.0") -> str:
        """Install a distribution with one module; entry points name attributes of it."""
        module = f"fake_plugin_{next(_NUMBERS)}"
        self.modules.append(module)
        (self.folder / f"{module}.py").write_text(dedent(source), encoding="utf-8")
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n", encoding="utf-8")
        lines = []
        for group, entries in points.items():
            lines += [f"[{group}]", *(f"{key} = {module}:{value}" for key, value in entries.items())]
        (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
        return module

    @property
    def registry(self) -> Registry:
        return Registry([str(self.folder)])


@contextmanager
def plugin_folder(folder: Path):
    """An empty folder of distributions on `sys.path`; the machine's own plug-ins stay out of sight."""
    folder.mkdir()
    found = Plugins(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield found
    for module in found.modules:
        sys.modules.pop(module, None)


@pytest.fixture
def plugins(tmp_path):
    with plugin_folder(tmp_path / "site") as found:
        yield found


@pytest.fixture
def registry(plugins):
    """A registry of `boards`, a distribution of plain layers."""
    plugins.add("boards", BOARD_POINTS, BOARDS)
    return plugins.registry


@pytest.fixture
def env():
    """A world of two numeric features, three actions and four tokens."""
    return EnvSpec(
        name="toy",
        tokens=TokenLayout(count=4),
        view_height=3,
        view_width=3,
        features=(Feature(name="ore", id=0), Feature(name="heart", id=7)),
        actions=ActionSpec(names=("stay", "left", "right")),
    )


@pytest.fixture
def policy_file(tmp_path):
    """Write a policy file and return its path."""

    def write(text: str = POLICY) -> Path:
        path = tmp_path / "policy.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def policy(policy_file, registry, env):
    """The policy of `POLICY` with a weight that no fresh one has."""
    import torch

    made = glulam.build(policy_file(), env, registry=registry)
    with torch.no_grad():
        made.layers["logit_table"].module.weight.fill_(3.5)
    return made


@pytest.fixture
def saved(policy, tmp_path):
    """The checkpoint of `policy`."""
    path = tmp_path / "policy.safetensors"
    glulam.save(policy, path)
    return path


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """The checkpoint of a policy that goes by names, saved in the world `OLD`."""
    import torch

    from tests.core.moving import NAMES, OLD

    folder = tmp_path_factory.mktemp("named")
    (folder / "names.yaml").write_text(NAMES, encoding="utf-8")
    torch.manual_seed(1)
    glulam.save(glulam.build(folder / "names.yaml", OLD), folder / "names.safetensors")
    return folder / "names.safetensors"
