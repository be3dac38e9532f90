"""Defects of the original in how layers are put together; each test states one and would fail if we had it."""

import attrs
import pytest

import glulam
from glulam import GlulamError, PolicyError, TensorSpec, experience, policy
from glulam.resolver import _resolve, _resolved
from tests.original.conftest import VILLAGE, outline, small

REWARDS = TensorSpec((), "float32")


def faults(source):
    """Return the code and the place of each fault of a policy: at `resolve`, before anything is built."""
    try:
        glulam.resolve(source, env=VILLAGE)
    except PolicyError as error:
        return [(fault.code, fault.place.path if fault.place else None) for fault in error.faults]
    return []


def changed(number, **fields):
    """Return the small policy with fields of one of its layers changed."""
    source = outline()
    source["layers"][number] |= fields
    return source


class TestFaults:
    """Oracle: the one code and place that a reader of the file would name."""

    def test_the_policy_as_it_stands_has_none(self):
        assert faults(outline()) == []

    def test_a_name_given_twice(self):
        """Of two layers of one name the first was dropped."""
        assert faults(changed(3, name="actor")) == [("GL301", "$.layers[4].name")]

    def test_a_key_written_twice(self):
        """The second writer of a key overwrote what the first had written."""
        assert faults(changed(3, out_key="core")) == [("GL302", "$.layers[3].out_key")]

    def test_a_wrong_order(self):
        """A wrong order showed at the first forward pass, as a KeyError."""
        source = outline()
        source["layers"][0], source["layers"][1] = source["layers"][1], source["layers"][0]
        assert {code for code, _ in faults(source)} == {"GL303"}

    def test_a_slip_of_the_pen(self):
        """So did a key that nothing writes."""
        assert faults(changed(4, in_key="coer")) == [("GL304", "$.layers[4].in_key")]


class TestSpecs:
    """Oracle: the message, with both owners."""

    @pytest.mark.parametrize(
        "other", [TensorSpec((3,)), TensorSpec((), "float16"), TensorSpec((), per="segment")], ids=str
    )
    def test_owners_of_one_key_agree_on_it(self, other):
        """Specs were merged by overwriting: the last owner's shape, dtype and frequency won."""
        message = f"GL502: loss b wants 'x' stored as {experience.describe(other)}, loss a as float32[] per step"
        assert str(merged([("loss a", {"x": REWARDS}), ("loss b", {"x": other})])).startswith(message)
        assert merged([("loss a", {"x": REWARDS}), ("loss b", {"x": REWARDS})]) == {"x": REWARDS}

    def test_so_do_a_layer_and_a_policy(self):
        made = small()
        made.layers["critic"].module.experience_spec = lambda: {"rewards": TensorSpec((2,))}
        try:
            made.experience_spec()
        except GlulamError as error:
            found = str(error)
        else:
            found = ""
        assert found.startswith("GL502: layer 'critic' wants 'rewards' stored as float32[2] per step, the environment")


def merged(owned):
    """Return the merged specs, or the text of the error."""
    try:
        return experience.merge_specs(owned)
    except GlulamError as error:
        return str(error)


# Each field of these layers, none as it is when left out.
FIELDS = {
    "token_shaper": {"out_key": "sights", "mask_key": "sighted", "normalize": False},
    "fourier_tokens": {"in_key": "sights", "out_key": "features", "attr_embed_dim": 5, "num_freqs": 3,
                       "embedding_std": 0.5},
    "lstm": {"in_key": "seen", "out_key": "known", "in_dim": 7, "hidden_size": 9, "num_layers": 2, "bias_init": 0.25,
             "skip": True},
    "value_head": {"in_key": "known", "out_key": "worth", "in_dim": 9, "hidden_size": 11, "activation": "relu"},
    "linear_actor": {"in_key": "known", "out_key": "leanings", "in_dim": 9, "max_actions": 6, "init_gain": 0.75},
    "action_distribution": {"in_key": "leanings", "mask_key": None, "actions_key": "deeds",
                            "log_prob_key": "odds", "entropy_key": "doubt", "full_log_probs_key": "all_odds"},
}  # fmt: skip


def written(kind):
    return {"layer": kind, "name": f"my_{kind}"} | FIELDS[kind]


class TestConfigs:
    """Oracle: the fields as they were written down."""

    # fmt: off
    SOURCE = outline() | {
        "obs_shaper": written("token_shaper"),
        "layers": [
            written("fourier_tokens"),
            {"layer": "attention_pool", "in_key": "features", "mask_key": "sighted", "out_key": "seen", "out_dim": 7,
             "num_heads": 3},
            *(written(kind) for kind in ("lstm", "value_head", "linear_actor")),
        ],
        "action_head": written("action_distribution"),
    }
    # fmt: on

    def test_a_saved_policy_keeps_every_field(self, tmp_path):
        """A saved config lost fields, and what was loaded was another policy."""
        glulam.save(glulam.build(self.SOURCE, VILLAGE), tmp_path / "policy.safetensors")
        kept = glulam.read_tensors(tmp_path / "policy.safetensors")[0]["policy"]
        loaded = glulam.load(tmp_path / "policy.safetensors").resolved
        assert loaded.to_mapping() == kept
        found = {layer.kind.partition(":")[2]: layer.config for layer in loaded.all_layers}
        for kind, fields in FIELDS.items():
            default = type(found[kind])()
            for name, value in fields.items():
                assert getattr(found[kind], name) == value, (kind, name)
                assert value != getattr(default, name) or name == "in_key"

    def test_so_does_a_policy_that_is_a_class(self, tmp_path):
        config = glulam.registry().policies.find("fast_class").load()
        sizes = {"num_channels": 6, "channels": 3, "hidden_size": 5, "critic_size": 6, "actor_size": 7, "embed_dim": 4}
        glulam.save(glulam.build(config(name="mine", **sizes), VILLAGE), tmp_path / "policy.safetensors")
        loaded = glulam.load(tmp_path / "policy.safetensors").resolved.custom
        assert attrs.asdict(loaded) == {"name": "mine"} | sizes
        assert not set(sizes.items()) & set(attrs.asdict(config()).items())


def nothing_is_checked(patch):
    patch.setattr(_resolve, "check_keys", lambda graph: [])


def the_last_wins(patch):
    for module in (experience, policy):
        patch.setattr(module, "merge_specs", lambda owned: {key: one for _, spec in owned for key, one in spec.items()})


def a_field_is_lost(patch):
    plain = _resolved.plain_fields
    lost = {"normalize", "activation", "embed_dim"}
    patch.setattr(_resolved, "plain_fields", lambda config: {k: v for k, v in plain(config).items() if k not in lost})


@pytest.mark.parametrize(
    ("sabotage", "test"),
    [
        (nothing_is_checked, TestFaults.test_a_name_given_twice),
        (nothing_is_checked, TestFaults.test_a_key_written_twice),
        (nothing_is_checked, TestFaults.test_a_wrong_order),
        (nothing_is_checked, TestFaults.test_a_slip_of_the_pen),
        (the_last_wins, lambda _: TestSpecs.test_owners_of_one_key_agree_on_it(None, TensorSpec((3,)))),
        (the_last_wins, TestSpecs.test_so_do_a_layer_and_a_policy),
        (a_field_is_lost, TestConfigs.test_a_saved_policy_keeps_every_field),
        (a_field_is_lost, TestConfigs.test_so_does_a_policy_that_is_a_class),
    ],
)
def test_each_notices_its_defect(sabotage, test, monkeypatch, tmp_path):
    sabotage(monkeypatch)
    given = (tmp_path,) if "tmp_path" in test.__code__.co_varnames else ()
    with pytest.raises((AssertionError, GlulamError)):
        test(TestConfigs(), *given)
