"""The museum itself: it is large, it cites, its good twins are good, and some exhibits are broken as they say."""

from __future__ import annotations

import copy
import pickle
import random
from collections import Counter
from pathlib import Path

import attrs
import numpy as np
import pytest
import torch

from glulam import ActionSpec, BoxLayout, EnvSpec, MemoryLayer
from glulam.testing._names import LAW_NAMES
from tests.contract.museum import EXHIBITS

BY_NAME = {exhibit.name: exhibit for exhibit in EXHIBITS}
GOOD = sorted({exhibit.good for exhibit in EXHIBITS}, key=lambda good: good.__name__)
ROWS, TOKENS, WIDTH, ACTIONS = 3, 5, 6, 4
CALM = torch.zeros(ROWS, dtype=torch.bool)


def world(*actions):
    return EnvSpec(name="box", box=BoxLayout(shape=(2,)), actions=ActionSpec(names=actions or ("a", "b", "c", "d")))


def complete(config, **fields):
    if "in_dim" in {field.name for field in attrs.fields(config)}:
        fields = {"in_dim": WIDTH} | fields
    return config(**fields)


def bound(config, seed=0, **fields):
    torch.manual_seed(seed)
    layer = complete(config, **fields).instantiate()
    initialize = getattr(layer.module, "initialize_to_environment", None)
    if initialize is not None:
        initialize(world())
    return layer


def pair(name, **fields):
    """Return the broken module and the good one, with the same weights where they have the same."""
    exhibit = BY_NAME[name]
    broken, good = (bound(config, **fields).module for config in (exhibit.config, exhibit.good))
    return broken, good


def inputs():
    generator = torch.Generator().manual_seed(1)
    mask = torch.ones(ROWS, TOKENS, dtype=torch.bool)
    mask[:, 3:] = False
    return {
        "x": torch.randn(ROWS, WIDTH, generator=generator),
        "token_features": torch.randn(ROWS, TOKENS, WIDTH, generator=generator),
        "token_mask": mask,
        "logits": torch.randn(ROWS, ACTIONS, generator=generator),
        "action_mask": torch.tensor([[True, False, True, False]] * ROWS),
        "env_id": torch.arange(ROWS),
        "dones": CALM.clone(),
        "truncateds": CALM.clone(),
    }


def step(layer, x, ids, done=None, cut=None):
    """Return the output of one step of rollout."""
    from tensordict import TensorDict

    given = {
        "x": x,
        "env_id": torch.tensor(ids),
        "dones": torch.zeros(len(x), dtype=torch.bool) if done is None else done,
        "truncateds": torch.zeros(len(x), dtype=torch.bool) if cut is None else cut,
    }
    with torch.no_grad():
        return layer(TensorDict(given, batch_size=[len(x)]))["y"].clone()


class TestTheWhole:
    def test_there_are_enough(self):
        assert len(EXHIBITS) >= 62

    def test_names_are_unique(self):
        assert [name for name, times in Counter(exhibit.name for exhibit in EXHIBITS).items() if times > 1] == []

    def test_enough_of_them_happened_to_others(self):
        sources = [exhibit.source for exhibit in EXHIBITS if exhibit.source]
        assert len(sources) >= 30
        assert all(source.startswith("https://github.com/") and " " in source for source in sources)
        assert len({source.split()[0] for source in sources}) == len(sources)

    @pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda exhibit: exhibit.name)
    def test_each_is_described(self, exhibit):
        assert exhibit.law in LAW_NAMES
        assert exhibit.bug.endswith(".")
        assert exhibit.config is not exhibit.good
        assert exhibit.config.__qualname__ == exhibit.config.__name__  # it pickles by its module's path
        assert f"`{exhibit.name}`" in Path(__file__).with_name("README.md").read_text()


class TestGoodTwins:
    @pytest.mark.parametrize("config", GOOD, ids=lambda config: config.__name__)
    def test_it_builds_and_runs(self, config):
        from tensordict import TensorDict

        td = TensorDict(inputs(), batch_size=[ROWS])
        layer = bound(config)
        layer(td)
        for key in layer.out_keys:
            assert td[key].isfinite().all()

    @pytest.mark.parametrize("config", GOOD, ids=lambda config: config.__name__)
    def test_it_pickles(self, config):
        module = bound(config).module
        assert type(pickle.loads(pickle.dumps(module))) is type(module)  # noqa: S301 - our own
        assert pickle.loads(pickle.dumps(complete(config))) == complete(config)  # noqa: S301 - our own

    @pytest.mark.parametrize(
        "config", [config for config in GOOD if isinstance(bound(config).module, MemoryLayer)], ids=lambda c: c.__name__
    )
    def test_a_memory_folds(self, config):
        module = bound(config).module
        x, reset = torch.randn(ROWS, 4, WIDTH), torch.rand(ROWS, 4) < 0.4
        state = {name: torch.randn_like(value) for name, value in module.initial_state(ROWS).items()}
        wanted, last = MemoryLayer.sequence(module, x, reset, state)
        found, found_last = module.sequence(x, reset, state)
        assert torch.allclose(found, wanted, atol=1e-6)
        assert all(torch.allclose(found_last[name], last[name], atol=1e-6) for name in last)


class TestKeys:
    def test_a_native_layer_writes_more(self):
        from tensordict import TensorDict

        broken, good = pair("writes_a_stranger")
        keys = [
            set(module(TensorDict({"x": torch.ones(2, WIDTH)}, batch_size=[2])).keys()) for module in (broken, good)
        ]
        assert keys == [{"x", "y", "logits"}, {"x", "y"}]

    def test_an_input_is_changed(self):
        broken, good = pair("rectifies_in_place")
        for module, changed in ((good, False), (broken, True)):
            x = -torch.ones(2, WIDTH)
            with torch.no_grad():
                module(x)
            assert bool((x != -1).any()) is changed

    def test_an_output_is_overwritten(self):
        broken, good = pair("returns_its_buffer")
        for module, overwritten in ((good, False), (broken, True)):
            with torch.no_grad():
                first = module(torch.ones(2, WIDTH))
                kept = first.clone()
                module(torch.zeros(2, WIDTH))
            assert (not torch.equal(first, kept)) is overwritten


class TestRows:
    @pytest.mark.parametrize("name", ["uses_batch_statistics", "centres_on_the_batch", "attends_across_rows"])
    def test_a_row_alone_is_another(self, name):
        given = inputs()
        for module, same in zip(pair(name), (False, True), strict=True):
            keys = ("x",) if "token_features" not in BY_NAME[name].good().in_keys else ("token_features", "token_mask")
            together, alone = module(*(given[key] for key in keys)), module(*(given[key][:1] for key in keys))
            assert torch.allclose(together[:1], alone, atol=1e-6) is same

    @pytest.mark.parametrize("name", ["one_mask_for_all", "places_by_row"])
    def test_the_order_of_rows_counts(self, name):
        given, order = inputs(), torch.tensor([2, 0, 1])
        given["token_mask"][1:, 1:] = False
        for module, same in zip(pair(name), (False, True), strict=True):
            found = module(given["token_features"][order], given["token_mask"][order])
            assert torch.allclose(found, module(given["token_features"], given["token_mask"])[order], atol=1e-6) is same

    def test_a_batch_of_one_loses_its_dim(self):
        broken, good = pair("squeezes_the_batch")
        assert [list(module(torch.ones(1, WIDTH)).shape) for module in (broken, good)] == [[], [1]]

    def test_no_rows_fail(self):
        broken, good = pair("stacks_no_rows")
        assert good(torch.ones(0, WIDTH)).shape == (0, 4)
        with pytest.raises(RuntimeError):
            broken(torch.ones(0, WIDTH))

    def test_a_view_fails(self):
        broken, good = pair("views_its_input")
        given = inputs()
        tokens = given["token_features"].transpose(0, 1).contiguous().transpose(0, 1)
        good(tokens, given["token_mask"])
        with pytest.raises(RuntimeError):
            broken(tokens, given["token_mask"])


SEQUENCES = [exhibit.name for exhibit in EXHIBITS if exhibit.law == "time_folding"]


class TestMemory:
    @pytest.mark.parametrize("name", SEQUENCES)
    def test_a_segment_is_not_its_steps(self, name):
        module, _ = pair(name)
        x = torch.randn(ROWS, 4, WIDTH)
        reset = torch.tensor([[True, False, True, False], [False, False, False, False], [True, True, False, False]])
        state = {key: torch.randn_like(value) for key, value in module.initial_state(ROWS).items()}
        with torch.no_grad():
            found, last = module.sequence(x, reset, state)
            wanted, wanted_last = MemoryLayer.sequence(module, x, reset, state)
        same = torch.allclose(found, wanted, atol=1e-6)
        assert not (same and all(torch.allclose(last[key], wanted_last[key], atol=1e-6) for key in last))

    def test_no_gradient_reaches_the_first_step(self):
        for module, reaches in zip(pair("detaches_each_step"), (False, True), strict=True):
            x = torch.randn(ROWS, 3, WIDTH, requires_grad=True)
            module.sequence(x, torch.zeros(ROWS, 3, dtype=torch.bool), module.initial_state(ROWS))[0][
                :, -1
            ].sum().backward()
            assert bool(x.grad[:, 0].abs().sum() > 0) is reaches

    @pytest.mark.parametrize(
        ("name", "flags"),
        [
            ("ignores_dones", "done"),
            ("half_the_state_survives", "done"),
            ("resets_one_step_late", "done"),
            ("ignores_truncation", "cut"),
        ],
    )
    def test_memory_survives_an_episode(self, name, flags):
        for config, fresh in ((BY_NAME[name].config, False), (BY_NAME[name].good, True)):
            layer, x = bound(config), torch.ones(1, WIDTH)
            first = step(layer, x, [0])
            step(layer, -x, [0])
            again = step(layer, x, [0], **{flags: torch.tensor([True])})
            assert torch.allclose(first, again, atol=1e-6) is fresh

    def test_one_reset_is_everyones(self):
        for config, own in ((BY_NAME["resets_everyone"].config, False), (BY_NAME["resets_everyone"].good, True)):
            layer, other = bound(config), bound(config)
            x = torch.ones(2, WIDTH)
            for one in (layer, other):
                step(one, x, [0, 1])
            found = step(layer, x, [0, 1], done=torch.tensor([True, False]))
            assert torch.allclose(found[1], step(other, x, [0, 1])[1], atol=1e-6) is own

    @pytest.mark.parametrize("name", ["remembers_by_position", "mixes_its_slots"])
    def test_ids_in_another_order_meet_strangers(self, name):
        for config, own in ((BY_NAME[name].config, False), (BY_NAME[name].good, True)):
            one, other = bound(config), bound(config)
            x = torch.stack([torch.ones(WIDTH), -torch.ones(WIDTH)])
            step(one, x, [1, 0])
            step(other, x.flip(0), [0, 1])
            same = torch.allclose(step(one, x, [0, 1]), step(other, x, [0, 1]), atol=1e-6)
            assert same is own

    def test_growth_forgets(self):
        for config, keeps in ((BY_NAME["growth_forgets"].config, True), (BY_NAME["growth_forgets"].good, False)):
            layer = bound(config)
            first = step(layer, torch.ones(1, WIDTH), [0])
            grown = step(layer, torch.ones(3, WIDTH), [0, 1, 2])
            assert torch.allclose(grown[:1], first, atol=1e-6) is keeps

    def test_reset_memory_does_nothing(self):
        for config, fresh in ((BY_NAME["never_forgets"].config, False), (BY_NAME["never_forgets"].good, True)):
            layer = bound(config)
            first = step(layer, torch.ones(1, WIDTH), [0])
            layer.module.reset_memory()
            assert torch.allclose(step(layer, torch.ones(1, WIDTH), [0]), first, atol=1e-6) is fresh

    def test_training_leaves_its_state(self):
        for config, leaves in (
            (BY_NAME["training_overwrites"].config, True),
            (BY_NAME["training_overwrites"].good, False),
        ):
            layer = bound(config)
            step(layer, torch.ones(2, WIDTH), [0, 1])
            before = layer.module.slots.tensors["h"].clone()
            state = layer.module.initial_state(2)
            layer.module.sequence(torch.randn(2, 3, WIDTH), torch.zeros(2, 3, dtype=torch.bool), state)
            assert (not torch.equal(before, layer.module.slots.tensors["h"])) is leaves

    def test_a_checkpoint_holds_memory(self):
        for config, holds in ((BY_NAME["saves_its_memory"].config, True), (BY_NAME["saves_its_memory"].good, False)):
            layer = bound(config)
            before = set(layer.state_dict())
            step(layer, torch.ones(2, WIDTH), [0, 1])
            assert (set(layer.state_dict()) != before) is holds

    def test_a_graph_is_kept(self):
        from tensordict import TensorDict

        for config, keeps in ((BY_NAME["keeps_the_graph"].config, True), (BY_NAME["keeps_the_graph"].good, False)):
            layer, given = bound(config), inputs()
            layer(TensorDict({key: given[key] for key in ("x", "env_id", "dones", "truncateds")}, batch_size=[ROWS]))
            assert layer.module.slots.tensors["h"].requires_grad is keeps


class TestPadding:
    @pytest.mark.parametrize("name", [e.name for e in EXHIBITS if e.law == "padding_is_ignored"])
    def test_padding_counts(self, name):
        given = inputs()
        more = torch.cat(
            [given["token_features"], torch.full((ROWS, 2, WIDTH), 1e3) * torch.tensor([1, -1])[:, None]], 1
        )
        mask = torch.cat([given["token_mask"], torch.zeros(ROWS, 2, dtype=torch.bool)], 1)
        for module, same in zip(pair(name), (False, True), strict=True):
            with torch.no_grad():  # a bias that is negative enough for a maximum over zeros to win
                module.map.bias.sub_(20)
            found, wanted = module(more, mask), module(given["token_features"][:, :3], given["token_mask"][:, :3])
            assert torch.allclose(found, wanted, atol=1e-4) is same

    @pytest.mark.parametrize("name", ["nan_on_an_empty_row", "softmax_of_nothing"])
    def test_an_empty_row_is_nan(self, name):
        given = inputs()
        given["token_mask"][1] = False
        for module, finite in zip(pair(name), (False, True), strict=True):
            assert bool(module(given["token_features"], given["token_mask"]).isfinite().all()) is finite


class TestNumbers:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("overflows_in_softmax", 1e4),
            ("overflows_in_softplus", 1e4),
            ("log_of_zero", 0.0),
            ("divides_by_std", 2.0),
            ("sqrt_at_zero", 0.0),
            ("gradient_of_std", 2.0),
        ],
    )
    def test_an_output_or_a_gradient_is_not_finite(self, name, value):
        for module, finite in zip(pair(name), (False, True), strict=True):
            x = torch.full((2, WIDTH), value, requires_grad=True)
            y = module(x)
            y.square().sum().backward()
            assert bool(y.isfinite().all() and x.grad.isfinite().all()) is finite

    def test_an_epsilon_is_nothing_in_half_precision(self):
        for module, finite in zip(pair("epsilon_too_small"), (False, True), strict=True):
            assert bool(module.half()(torch.zeros(2, WIDTH).half()).isfinite().all()) is finite


class TestRandomness:
    def test_dropout_is_on_in_evaluation(self):
        for module, same in zip(pair("dropout_left_on"), (False, True), strict=True):
            module.eval()
            x = inputs()["x"]
            assert torch.equal(module(x), module(x)) is same

    def test_streams_are_seeded(self):
        torch.manual_seed(5)
        np.random.seed(5)  # noqa: NPY002 - what the exhibit does
        untouched = torch.rand(1), np.random.rand()  # noqa: NPY002 - likewise
        torch.manual_seed(5)
        np.random.seed(5)  # noqa: NPY002 - likewise
        complete(BY_NAME["seeds_the_world"].config).build()
        complete(BY_NAME["seeds_numpy"].config).build()(torch.ones(1, WIDTH))
        assert torch.rand(1) != untouched[0]
        assert np.random.rand() != untouched[1]  # noqa: NPY002 - likewise

    @pytest.mark.parametrize("name", ["noise_of_python", "own_generator"])
    def test_equal_seeds_give_other_weights(self, name):
        exhibit = BY_NAME[name]
        random.seed(3)
        for config, same in ((exhibit.config, False), (exhibit.good, True)):
            assert torch.equal(bound(config).module.bias, bound(config).module.bias) is same


class TestGradients:
    @pytest.mark.parametrize("name", [e.name for e in EXHIBITS if e.law == "gradient_to_every_parameter"])
    def test_a_weight_gets_none(self, name):
        for module, all_of_them in zip(pair(name), (False, True), strict=True):
            y = module(torch.randn(8, WIDTH))
            if y.requires_grad:
                y.square().sum().backward()
            got = [p.grad is not None and bool(p.grad.abs().sum() > 0) for p in module.parameters()]
            assert all(got) is all_of_them

    @pytest.mark.parametrize("name", [e.name for e in EXHIBITS if e.law == "gradient_to_every_input"])
    def test_an_input_gets_none(self, name):
        for module, gets in zip(pair(name), (False, True), strict=True):
            x = torch.randn(8, WIDTH, requires_grad=True)
            module(x).square().sum().backward()
            assert (x.grad is not None and bool(x.grad.abs().sum() > 0)) is gets


class TestCopies:
    def test_the_dtype_is_by_hand(self):
        dtypes = [module.double()(torch.ones(1, WIDTH).double()).dtype for module in pair("float_by_hand")]
        assert dtypes == [torch.float32, torch.float64]

    @pytest.mark.parametrize("name", ["cpu_in_forward", "plain_tensor", "list_of_buffers"])
    def test_a_move_leaves_a_tensor_behind(self, name):
        broken, good = (module.to("meta") for module in pair(name))
        assert good(torch.ones(1, WIDTH, device="meta")).device.type == "meta"
        with pytest.raises(RuntimeError):
            broken(torch.ones(1, WIDTH, device="meta"))

    @pytest.mark.parametrize("name", ["not_saved", "plain_tensor"])
    def test_a_checkpoint_lacks_a_tensor(self, name):
        x = inputs()["x"]
        for config, same in ((BY_NAME[name].config, False), (BY_NAME[name].good, True)):
            one, other = bound(config).module, bound(config, seed=1).module
            other.load_state_dict(one.state_dict())
            assert torch.equal(one(x), other(x)) is same

    def test_a_copy_has_the_originals_weights(self):
        x = inputs()["x"]
        for module, own in zip(pair("copies_share"), (False, True), strict=True):
            twin = copy.deepcopy(module)
            with torch.no_grad():
                twin.weight.add_(1)
            assert (not torch.equal(twin(x), module(x))) is own

    def test_a_lambda_does_not_pickle(self):
        broken, good = pair("lambda_inside")
        pickle.dumps(good)
        with pytest.raises((pickle.PicklingError, AttributeError)):
            pickle.dumps(broken)

    def test_instances_share_a_buffer(self):
        for config, shared in ((BY_NAME["one_for_all"].config, True), (BY_NAME["one_for_all"].good, False)):
            one, other = bound(config).module, bound(config).module
            before = other.scale.clone()
            one.load_state_dict({key: value + 1 for key, value in one.state_dict().items()})
            assert (not torch.equal(other.scale, before)) is shared
            one.load_state_dict({key: value - 1 for key, value in one.state_dict().items()})  # the next test's, too


class TestConfigs:
    def test_building_changes_it(self):
        for name in ("mutable_default", "changed_by_build"):
            config = complete(BY_NAME[name].config)
            before = copy.deepcopy(attrs.asdict(config))
            config.build()
            assert attrs.asdict(config) != before

    def test_it_is_equal_to_no_other(self):
        exhibit = BY_NAME["never_equal"]
        assert complete(exhibit.config) != complete(exhibit.config)
        assert complete(exhibit.good) == complete(exhibit.good)

    def test_it_takes_any_field(self):
        exhibit = BY_NAME["swallows_typos"]
        exhibit.config(out_dimm=3)
        with pytest.raises(TypeError):
            exhibit.good(out_dimm=3)


class TestEnvironments:
    def test_names_move(self):
        for name in ("accumulates_names", "starts_afresh"):
            for table, same in zip(pair(name), (False, True), strict=True):
                before = table().clone()
                torch.manual_seed(7)
                table.initialize_to_environment(world())
                assert torch.equal(table(), before) is same

    def test_order_counts(self):
        for name in ("keeps_the_old_map", "goes_by_position"):
            for table, by_name in zip(pair(name), (False, True), strict=True):
                before = table().clone()
                table.initialize_to_environment(world("d", "c", "b", "a"))
                assert torch.equal(table(), before.flip(0)) is by_name

    def test_reports_differ(self):
        new = world("a", "new")
        told = []
        for name in ("tells_nothing", "learns_in_silence"):
            for table in pair(name):
                table.initialize_to_environment(new)
                told.append((table.name_report().masked, table.learn_names(new)))
        assert told == [((), ("new",)), (("new",), ("new",)), (("new",), ()), (("new",), ("new",))]


class TestHeads:
    def agree(self, head):
        given = inputs()
        torch.manual_seed(0)
        logits, mask = given["logits"].repeat(50, 1), given["action_mask"].repeat(50, 1)
        actions, acted = head.act(logits, mask)
        scored, entropy, full = head.score(logits, mask, actions)
        close = acted.shape == scored.shape and torch.allclose(acted, scored, atol=1e-5)
        right = torch.allclose(full.exp().sum(-1), torch.ones(len(full)), atol=1e-5) and bool((entropy >= 0).all())
        chosen = full.gather(-1, actions[:, None]).squeeze(-1)
        said = chosen.shape == scored.shape and torch.allclose(chosen, scored, atol=1e-5)
        return close and right and said

    @pytest.mark.parametrize("name", [e.name for e in EXHIBITS if e.law == "acting_agrees_with_scoring"])
    def test_acting_and_scoring_differ(self, name):
        broken, good = pair(name)
        assert self.agree(good)
        assert not self.agree(broken)

    def test_a_forbidden_action_is_done(self):
        given = inputs()
        logits, mask = given["logits"].repeat(50, 1), given["action_mask"].repeat(50, 1)
        for head, obeys in zip(pair("zeroes_forbidden_logits"), (False, True), strict=True):
            actions, _ = head.act(logits, mask)
            assert bool(mask.gather(-1, actions[:, None]).all()) is obeys

    def test_masks_make_nan(self):
        given = inputs()
        nothing = torch.zeros_like(given["action_mask"])
        for name, mask in (("entropy_is_nan", given["action_mask"]), ("nothing_allowed_is_nan", nothing)):
            for head, finite in zip(pair(name), (False, True), strict=True):
                scored = head.score(given["logits"], mask, torch.zeros(ROWS, dtype=torch.int64))
                assert (not any(bool(value.isnan().any()) for value in scored)) is finite

    def test_shapes_differ(self):
        given = inputs()
        shapes = [
            list(pair(name)[0].act(given["logits"])[1].shape) for name in ("sums_the_batch", "column_of_log_probs")
        ]
        assert shapes == [[], [ROWS, 1]]


class TestCompiling:
    @pytest.mark.parametrize("name", ["branches_on_data", "gathers_what_is_there", "unrolls_the_batch"])
    def test_it_computes_what_the_good_one_does(self, name):
        given = inputs()
        broken, good = pair(name)
        keys = ("token_features", "token_mask") if name == "gathers_what_is_there" else ("x",)
        assert torch.allclose(broken(*map(given.get, keys)), good(*map(given.get, keys)), atol=1e-6)
