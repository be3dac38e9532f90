"""The same actions, to the bit, in every world that lists the same known ones: all three action heads.

What an action is given goes by its name: the logit (or mean), the mask, the bounds. So do the results.
"""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from glulam_heads.distribution import ActionDistribution
from glulam_heads.gaussian import GaussianDistribution
from glulam_heads.multi_discrete import MultiDiscreteDistribution
from glulam_heads.own_order import OwnOrder

HEADS = {
    "discrete": ActionDistribution,
    "multi-discrete": MultiDiscreteDistribution,
    "continuous": GaussianDistribution,
}
LOWEST = torch.finfo(torch.float32).min
ROWS = 40


class Listing:
    """A world's list of actions, and what each name is given in it."""

    def __init__(self, world, kind, choices, seed):
        self.kind = kind
        self.choices = [list(choice) for choice in choices]
        self.names = [name for choice in self.choices for name in choice]
        more = {}
        if kind == "multi-discrete":
            more = {"choices": [len(choice) for choice in self.choices]}
        elif kind == "continuous":
            more = {"low": [-len(name) for name in self.names], "high": [ord(name[-1]) for name in self.names]}
        self.env = world(self.names, **more)
        self.seed = seed

    def given(self, scale=3.0):
        """Return logits by name; a name's do not depend on the world."""
        columns = []
        for name in self.names:
            generator = torch.Generator().manual_seed(self.seed * 1000 + sum(map(ord, name)) * 7 + len(name))
            columns.append(torch.randn(ROWS, generator=generator) * scale)
        return torch.stack(columns, -1)

    def by_name(self, actions):
        """Return actions by the name of the action, or of the choice."""
        if self.kind == "discrete":
            return [self.names[action] for action in actions.tolist()]
        columns = dict(zip(self.names, actions.T, strict=False))
        if self.kind == "multi-discrete":
            columns = {
                choice[0][0]: [choice[option] for option in column.tolist()]
                for choice, column in zip(self.choices, actions.T, strict=True)
            }
        return columns

    def actions_of(self, named):
        """Return this world's actions from what `by_name` returned in another."""
        if self.kind == "discrete":
            return torch.tensor([self.names.index(name) for name in named])
        if self.kind == "continuous":
            return torch.stack([named.get(name, torch.zeros(ROWS)) for name in self.names], -1)
        columns = [
            [choice.index(name) for name in named[choice[0][0]]] if choice[0][0] in named else [0] * ROWS
            for choice in self.choices
        ]
        return torch.tensor(columns).T


@st.composite
def worlds(draw, kind):
    """Draw choices of names: of a policy's first world, all that it learns, those that are there, and these again.

    The last list has them in another order, and others between them.
    """
    count = draw(st.integers(1, 3)) if kind == "multi-discrete" else 1
    sizes = [draw(st.integers(1, 12)) for _ in range(count)]
    home = [[f"{'abc'[c]}:{chr(101 + option)}" for option in range(size)] for c, size in enumerate(sizes)]
    first = home
    if draw(st.booleans()):  # the rest is learned later, and the policy's order is none that a world would have
        first = [draw(st.lists(st.sampled_from(choice), unique=True)) for choice in home]
        first = [choice for choice in first if choice] or home[-1:]
    present = [draw(st.lists(st.sampled_from(choice), min_size=1, unique=True)) for choice in home]
    if draw(st.booleans()):
        present = home  # the usual case: nothing is moved
    changed = [draw(st.permutations(choice)) for choice in present]
    for c, choice in enumerate(changed):
        for extra in range(draw(st.integers(0, 3))):
            choice.insert(draw(st.integers(0, len(choice))), f"{'abc'[c]}:{'NEW'[extra]}")
    if kind == "multi-discrete" and draw(st.booleans()):
        changed.append(["d:first", "d:second"])
    order = draw(st.permutations(range(len(changed))))
    return first, home, present, [changed[c] for c in order], draw(st.integers(0, 99))


def play(head, listing, *, masked, named=None):
    """Return what a head acts and scores in a world, by name."""
    head.initialize_to_environment(listing.env)
    logits = listing.given()
    inputs = [logits] if listing.kind == "continuous" else [logits, logits < 1 if masked else None]
    torch.manual_seed(listing.seed)
    actions, log_prob = head.act(*inputs)
    scored = head.score(*inputs, listing.actions_of(named) if named is not None else actions)
    full = dict(zip(listing.names, scored[2].T, strict=True)) if len(scored) > 2 else {}
    return listing.by_name(actions), log_prob, scored[0], scored[1], full


def _same(actions, others):
    if isinstance(actions, dict):
        return all(map(_same, actions.values(), others.values()))
    return torch.equal(actions, others) if isinstance(actions, torch.Tensor) else actions == others


def differences(first, second, known):
    """Return which results of two worlds differ, over the names and choices that the first world has."""
    actions, others = first[0], second[0]
    if isinstance(actions, dict):
        others = {name: others[name] for name in actions}
    found = [] if _same(actions, others) else ["actions"]
    pairs = zip(("act_log_prob", "score_log_prob", "entropy"), first[1:4], second[1:4], strict=True)
    found += [name for name, one, other in pairs if not torch.equal(one, other)]
    found += [name for name, column in first[4].items() if not torch.equal(column, second[4][name])]
    return found + [name for name, column in second[4].items() if name not in known and not (column == LOWEST).all()]


def compared(world, kind, drawn, masked):
    first, home, present, changed, seed = drawn
    head = HEADS[kind]()
    if kind == "continuous":
        torch.nn.init.normal_(head.log_std, generator=torch.Generator().manual_seed(seed))
    head.initialize_to_environment(Listing(world, kind, first, seed).env)
    head.learn_names(Listing(world, kind, home, seed).env)
    here = play(head, Listing(world, kind, present, seed), masked=masked)
    there = play(head, Listing(world, kind, changed, seed), masked=masked, named=here[0])
    again = play(head, Listing(world, kind, present, seed), masked=masked)
    known = {name for choice in home for name in choice}
    assert not differences(here, again, known)
    return differences(here, there, known)


class TestLaw:
    """Oracle: the policy in the other world, same seed; nothing is merely close."""

    @pytest.mark.parametrize("kind", HEADS)
    @settings(deadline=None, max_examples=60)
    @given(data=st.data(), masked=st.booleans())
    def test_the_same_to_the_bit(self, world, kind, data, masked):
        assert not compared(world, kind, data.draw(worlds(kind)), masked)

    @pytest.mark.parametrize("kind", HEADS)
    def test_through_a_checkpoint(self, world, kind):
        home = [["a:e", "a:f", "a:g"], ["b:e", "b:f"]] if kind == "multi-discrete" else [["a:e", "a:f", "a:g", "b:e"]]
        trained, fresh = HEADS[kind](), HEADS[kind]()
        here = play(trained, Listing(world, kind, home, 3), masked=False)
        moved = Listing(world, kind, [[*choice[::-1], f"{choice[0][0]}:new"] for choice in home[::-1]], 3)
        fresh.initialize_to_environment(moved.env)
        fresh.load_state_dict(trained.state_dict())
        there = play(fresh, moved, masked=False, named=here[0])
        assert not differences(here, there, {name for choice in home for name in choice})
        assert fresh.get_submodule("rows").state_dict() == trained.rows.state_dict()


WIDE = [[f"a:{chr(101 + option)}" for option in range(20)]]
TWO = [WIDE[0][:12], [f"b:{chr(101 + option)}" for option in range(9)]]


def shuffled(choices):
    generator = torch.Generator().manual_seed(0)
    mixed = [[choice[i] for i in torch.randperm(len(choice), generator=generator)] for choice in choices]
    return choices, choices, choices, mixed[::-1], 5


class TestSabotage:
    """The law is no accident: in the world's own order it fails."""

    @pytest.mark.parametrize("kind", HEADS)
    def test_noise_drawn_in_the_worlds_order_picks_others(self, world, kind, monkeypatch):
        monkeypatch.setattr(OwnOrder, "noise_here", lambda rows, noise: noise[:, rows.columns])
        assert "actions" in compared(world, kind, shuffled(TWO if kind == "multi-discrete" else WIDE), masked=False)

    @pytest.mark.parametrize("kind", HEADS)
    def test_sums_in_the_worlds_order_differ_in_their_last_bits(self, world, kind, monkeypatch):
        def as_listed(rows, actions):
            choices = [
                choice._replace(options=sorted(choice.options, key=lambda pair: pair[1]))
                for choice in known(rows, actions)
            ]
            return sorted(choices, key=lambda choice: choice.choice)

        known = OwnOrder._known
        monkeypatch.setattr(OwnOrder, "_known", as_listed)
        found = compared(world, kind, shuffled(TWO if kind == "multi-discrete" else WIDE), masked=False)
        assert "score_log_prob" in found
        assert "actions" not in found


class Scores(torch.nn.Module):
    def __init__(self, head):
        super().__init__()
        self.head = head

    def forward(self, *inputs):
        return self.head.score(*inputs)


class TestExport:
    """Oracle: the head itself, in eager mode, with another number of rows."""

    @pytest.mark.parametrize("kind", HEADS)
    def test_a_changed_world_leaves_the_batch_dynamic(self, world, kind):
        two = kind == "multi-discrete"
        home = [["a:e", "a:f", "a:g"], ["b:e", "b:f"]] if two else [["a:e", "a:f", "a:g"]]
        there = [["c:new"], ["b:f", "b:e"], ["a:g", "a:new", "a:e"]] if two else [["a:g", "a:new", "a:e"]]
        head = HEADS[kind]()
        head.initialize_to_environment(Listing(world, kind, home, 1).env)
        listing = Listing(world, kind, there, 1)
        head.initialize_to_environment(listing.env)
        logits = listing.given()
        inputs = [logits] if kind == "continuous" else [logits, logits < 1]
        inputs.append(head.act(*inputs)[0])
        batch = torch.export.Dim("batch", min=2)
        shapes = (tuple({0: batch} for _ in inputs),)
        graph = torch.export.export(Scores(head), tuple(tensor[:5] for tensor in inputs), dynamic_shapes=shapes)
        torch.testing.assert_close(graph.module()(*inputs), head.score(*inputs))
