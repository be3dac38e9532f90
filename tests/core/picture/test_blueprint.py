"""What a picture shows is what the resolver and the built policy say, faults and all."""

import json

import attrs
import pytest
import torch

import glulam
from glulam.picture import blueprint
from glulam.picture._blueprint import ENVIRONMENT, shown_dims
from tests.core.conftest import BOARD_POINTS, BOARDS, POLICY
from tests.core.picture.drawings import BROKEN, FOREST, POLICIES


@pytest.fixture
def drawn(registry, policy_file, env):
    return blueprint(policy_file(), env=env, registry=registry)


def board(drawn, name):
    (found,) = [board for board in drawn.boards if board.name == name]
    return found


def line(drawn, key):
    (found,) = [line for line in drawn.lines if line.key == key]
    return found


def test_layers_come_in_order_with_owners_and_roles(drawn):
    rows = [(b.name, b.role, b.kind, b.distribution, b.version) for b in drawn.boards]
    assert rows == [
        ("obs_shaper", "observation shaper", "shaper", "boards", "1.0"),
        ("pool", "layer", "pool", "boards", "1.0"),
        ("scale", "layer", "scale", "boards", "1.0"),
        ("running_sum", "layer", "running_sum", "boards", "1.0"),
        ("logit_table", "layer", "logit_table", "boards", "1.0"),
        ("action_head", "action head", "head", "boards", "1.0"),
    ]
    assert (drawn.name, drawn.env, drawn.distributions, drawn.faults) == ("beam", "toy", ("boards",), ())


def test_keys_have_shapes_writers_and_readers(drawn):
    told = {ln.key: (ln.form, ln.writer, ln.readers) for ln in drawn.lines}
    assert told["env_obs"] == ("[4, 3] uint8", ENVIRONMENT, ("obs_shaper",))
    assert told["tokens"] == ("[N, 3] float", "obs_shaper", ("pool",))
    assert told["token_mask"] == ("[N] bool", "obs_shaper", ())
    assert told["scaled"] == ("[6] float", "scale", ("running_sum",))
    assert told["logits"] == ("[3] float", "logit_table", ("action_head",))
    assert told["actions"] == ("[] int64", "action_head", ())


def test_the_config_tells_where_each_value_comes_from(drawn):
    fields = {f.name: (f.value, f.origin) for f in board(drawn, "scale").fields}
    assert fields == {
        "in_key": ("pooled", "file"), "out_key": ("scaled", "file"), "in_dim": ("3", "inferred"),
        "times": ("2", "file"), "factor": ("2.0", "default"),
    }  # fmt: skip
    assert board(drawn, "scale").doc == "A factor, the input repeated `times` times."


def test_memory_costs_and_what_is_stored_are_those_of_the_built_policy(drawn, registry, policy_file, env):
    policy = glulam.build(policy_file(), env, registry=registry)
    assert [attrs.astuple(state) for state in board(drawn, "running_sum").memory] == [("sum", (6,), "float")]
    assert drawn.parameters == sum(p.numel() for p in policy.parameters()) == 1
    spec = policy.experience_spec()
    assert {item.key: (item.shape, item.dtype, item.per) for item in drawn.experience} == {
        key if isinstance(key, str) else ".".join(key): (ts.shape, ts.dtype, ts.per) for key, ts in spec.items()
    }
    assert line(drawn, "actions").stored == "per step"
    assert line(drawn, "logits").stored == ""


def test_without_an_environment_nothing_is_measured(registry, policy_file):
    drawn = blueprint(policy_file(), registry=registry)
    assert (drawn.env, drawn.parameters, drawn.flops, drawn.experience) == (None, None, None, ())
    assert line(drawn, "logits").form == "[env.num_actions] float"


@pytest.mark.parametrize("name", POLICIES)
def test_every_key_of_a_shipped_policy_has_the_resolvers_shape(name):
    drawn, resolved = blueprint(name, env=None), glulam.resolve(name)
    told = {ln.key: ln.form for ln in drawn.lines if ln.writer is not None}
    assert told == {key: f"{shown_dims(info.dims)} {info.dtype}" for key, info in resolved.keys.items()}
    assert [b.name for b in drawn.boards] == [layer.name for layer in resolved.all_layers]
    for drawn_board, layer in zip(drawn.boards, resolved.all_layers, strict=True):
        assert [use.key for use in drawn_board.reads] == layer.config.in_keys


def test_dims_are_written_as_messages_write_them():
    assert shown_dims(("obs_shaper.N", 3, "env.num_actions")) == "[N, 3, env.num_actions]"
    assert (shown_dims(()), shown_dims(None)) == ("[]", "[...]")


class TestCosts:
    """Oracle: matrix products counted by hand, two FLOPs for each multiplication."""

    @pytest.fixture(scope="class")
    @classmethod
    def small(cls):
        pytest.importorskip("glulam_mettagrid")
        return blueprint("latent_attn_small", env=FOREST, losses=["ppo"])

    def test_parameters_are_those_of_each_layer(self, small):
        policy = glulam.build("latent_attn_small", FOREST)
        for name, layer in policy.layers.items():
            assert board(small, name).cost.parameters == sum(p.numel() for p in layer.parameters()), name
        assert small.parameters == sum(p.numel() for p in policy.parameters())

    def test_recurrent_cells_are_counted(self, small):
        """Two layers, each with a product of its input and one of its state, 128 by 4 gates of 128."""
        assert board(small, "memory").cost.flops == 2 * 2 * 2 * (128 * 4 * 128)

    def test_heads_are_counted(self, small):
        assert board(small, "critic").cost.flops == 2 * (128 * 1024 + 1024)

    def test_attention_is_counted(self, small):
        """10 queries and the CLS row, width 32, two layers: projections in and out, scores and sums, and the MLP."""
        policy = glulam.build("latent_attn_small", FOREST)
        encoder = policy.layers["encoder"].module
        linears = sum(
            2 * module.weight.numel() * (1 if module.out_features == 128 else 11)
            for module in encoder.modules()
            if isinstance(module, torch.nn.Linear)
        )
        attention = 2 * (2 * 11 * 11 * 32) * 2
        assert 0 < board(small, "encoder").cost.flops - attention <= linears

    def test_a_loss_reads_what_it_names_and_costs_nothing(self, small):
        loss = board(small, "ppo")
        assert (loss.role, loss.distribution, loss.cost) == ("loss", "glulam-train", None)
        assert {use.key for use in loss.reads} == {"act_log_prob", "entropy", "values"}
        assert line(small, "values").readers == ("ppo",)
        assert line(small, "values").stored == "per step"

    def test_what_this_world_does_not_give_is_absent_and_no_fault(self, small):
        mask = line(small, "action_mask")
        assert (mask.absent, mask.is_drawn, mask.faults) == (True, False, ())

    def test_time_is_measured_when_asked_for(self, small):
        assert (small.timing, small.step_seconds) == ("", None)
        timed = blueprint("latent_attn_tiny", env=FOREST, rows=2)
        assert timed.timing.startswith("2 rows, ")
        assert timed.step_seconds > 0
        assert all(b.cost.seconds > 0 for b in timed.boards)


def test_a_policy_that_builds_itself_is_one_board_with_parts():
    pytest.importorskip("glulam_mettagrid")
    drawn = blueprint("ensemble_class", env=FOREST, losses=["ppo"])
    whole, *others = drawn.boards
    assert (whole.role, whole.distribution) == ("policy", "glulam-policies")
    assert {b.role for b in others} == {"part", "loss"}
    policy = glulam.build("ensemble_class", FOREST)
    assert whole.cost.parameters == drawn.parameters == sum(p.numel() for p in policy.parameters())
    assert {use.key for use in whole.writes} >= {"actions", "act_log_prob", "logits", "values"}
    assert line(drawn, "values").readers == ("ppo",)
    assert [state.name for state in whole.memory] == ["memory.h", "memory.c"]


class TestFaults:
    @pytest.fixture(scope="class")
    @classmethod
    def broken(cls, tmp_path_factory):
        path = tmp_path_factory.mktemp("policy") / "broken.yaml"
        path.write_text(BROKEN, encoding="utf-8")
        with pytest.raises(glulam.PolicyError) as caught:
            glulam.resolve(path)
        found = blueprint(path)
        assert found.faults == caught.value.faults
        return found

    def codes(self, drawn, numbers):
        return [drawn.faults[number].code for number in numbers]

    def test_each_fault_is_at_its_layer(self, broken):
        assert self.codes(broken, board(broken, "latent_attention").faults) == ["GL304", "GL403"]
        assert self.codes(broken, board(broken, "lstmm").faults) == ["GL201"]
        assert self.codes(broken, board(broken, "linear_actor").faults) == []

    def test_a_fault_of_no_layer_is_the_policys(self, broken):
        assert self.codes(broken, broken.outside_faults) == ["GL102"]

    def test_a_key_that_nothing_writes_is_drawn_with_its_fault(self, broken):
        lost = line(broken, "token_featurs")
        assert (lost.writer, lost.readers, self.codes(broken, lost.faults)) == (None, ("latent_attention",), ["GL304"])
        assert line(broken, "latents").faults == ()

    def test_what_is_written_after_it_is_read_is_a_line_of_its_own(self, registry, policy_file):
        lines = POLICY.splitlines()
        lines[4], lines[5] = lines[5], lines[4]
        drawn = blueprint(policy_file("\n".join(lines)), registry=registry)
        early, late = [ln for ln in drawn.lines if ln.key == "pooled"]
        assert (early.writer, early.readers, late.writer) == (None, ("scale",), "pool")
        assert self.codes(drawn, early.faults) == ["GL303"]

    def test_two_layers_of_one_name_are_two_boards(self, registry, policy_file):
        text = POLICY.replace("{layer: scale, ", "{layer: scale, name: pool, ")
        drawn = blueprint(policy_file(text), registry=registry)
        assert [b.name for b in drawn.boards][1:3] == ["pool", "pool (2)"]
        assert self.codes(drawn, board(drawn, "pool (2)").faults) == ["GL301"]

    @pytest.mark.parametrize("text", ["{", "[]", "", "glulam: 1\nname: x\n", "glulam: 1\nlayers: 3\n"])
    def test_a_policy_of_which_little_is_left_has_its_faults(self, registry, policy_file, text):
        drawn = blueprint(policy_file(text), registry=registry)
        assert drawn.faults
        assert len(drawn.outside_faults) == len(drawn.faults)

    def test_an_environment_that_is_not_to_be_had_is_a_fault(self, registry, policy_file):
        drawn = blueprint(policy_file(), env="nowhere:else", registry=registry)
        assert (drawn.env, [fault.code for fault in drawn.faults]) == (None, ["GL201"])


def test_json_holds_everything(drawn):
    told = json.loads(json.dumps(drawn.to_json()))
    assert [b["name"] for b in told["boards"]] == [b.name for b in drawn.boards]
    assert told["lines"][0] == {
        "key": "env_obs", "shape": "[4, 3]", "dtype": "uint8", "writer": ENVIRONMENT, "readers": ["obs_shaper"],
        "batched": True, "stored": "per step", "absent": False, "faults": [],
    }  # fmt: skip
    assert told["faults"] == []


def test_looking_draws_nothing_from_the_callers_random_numbers(registry, policy_file, env):
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    blueprint(policy_file(), env=env, registry=registry)
    assert torch.equal(torch.rand(3), expected)


def test_a_layer_that_fails_in_a_step_is_named(plugins, policy_file, env):
    plugins.add("boards", BOARD_POINTS, BOARDS.replace("lambda x: x.mean(1)", "lambda x: x.nonsense()"))
    with pytest.raises(glulam.GlulamError, match="layer 'pool' fails in a step: AttributeError: .*leave out --env"):
        blueprint(policy_file(), env=env, registry=plugins.registry)
