"""Hooks: lints, pages, environments, built policies; each plug-in behind a guard of its own."""

import pytest

import glulam
from glulam import GlulamError, Registry, resolve
from glulam.doctor import claimed_twice
from glulam.hooks import call_hooks
from tests.core.conftest import BOARD_POINTS, BOARDS

LINTS = """
import glulam

@glulam.hookimpl
def glulam_lints(resolved):
    for layer in resolved.layers:
        if layer.name == "scale":
            yield glulam.Advice(
                code="GL650", message="scales", remedy="scale not", layer="scale", field="times", evidence="a page"
            )

@glulam.hookimpl
def glulam_explanations():
    return {"GL650": "# GL650: scaling"}
"""


@pytest.fixture
def with_hooks(plugins):
    """Install `boards` with a module of hooks, and return the registry."""

    def install(source=LINTS):
        module = plugins.add("boards-hooks", {}, source)
        points = {**BOARD_POINTS, "glulam.hooks": {"boards": ""}}
        plugins.add("boards", points, BOARDS)
        info = plugins.folder / "boards-1.0.dist-info" / "entry_points.txt"
        own = info.read_text().split("boards = ")[0]
        info.write_text(f"{own}boards = {module}\n")
        return plugins.registry

    return install


def test_advice_has_a_place_an_owner_and_stops_nothing(with_hooks, policy_file):
    resolved = resolve(policy_file(), registry=with_hooks())
    (advice,) = resolved.advice
    assert (advice.code, advice.severity, advice.layer, advice.distribution) == (
        "GL650",
        "advice",
        "scale",
        "boards 1.0",
    )
    assert (advice.place.line, advice.place.source_line[advice.place.column - 1 :]) == (6, "2}")
    assert "GL650 advice: scales" in str(advice)
    assert str(advice).endswith("  evidence: a page\n  try: scale not")
    assert advice.to_json()["evidence"] == "a page"


def test_only_distributions_that_the_policy_names_are_asked(with_hooks, plugins, policy_file):
    registry = with_hooks()
    plugins.add("bystander", {"glulam.hooks": {"bystander": "X"}}, "raise AssertionError('was imported')")
    assert [fault.code for fault in resolve(policy_file(), registry=plugins.registry).advice] == ["GL650"]
    assert [fault.code for fault in resolve(policy_file(), registry=registry).advice] == ["GL650"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("raise ImportError('no such thing')", "does not import: ImportError: no such thing"),
        (
            "import glulam\n@glulam.hookimpl\ndef glulam_lints(resolved):\n    1 / 0",
            "glulam_lints raised ZeroDivisionError",
        ),
        (
            "import glulam\n@glulam.hookimpl\ndef glulam_lints(resolved):\n    yield 1 / 0",
            "its lints raised ZeroDivisionError",
        ),
        ("import glulam\n@glulam.hookimpl\ndef glulam_lints(resolved):\n    return [3]", "its lints gave 3, no Advice"),
        (
            "import glulam\n@glulam.hookimpl\ndef glulam_lints(policy):\n    return []",
            "has a hook that glulam does not call so",
        ),
        ("import glulam\n@glulam.hookimpl\ndef glulam_lint(resolved):\n    return []", "unknown hook 'glulam_lint'"),
        ("import glulam\nAdvice = glulam.Advice(code='X1', message='', remedy='')", "does not import: ValueError"),
    ],
)
def test_a_lint_that_fails_is_told_of_and_stops_nothing(with_hooks, policy_file, source, words):
    (advice,) = resolve(policy_file(), registry=with_hooks(source)).advice
    assert (advice.code, advice.severity, advice.distribution) == ("GL203", "advice", "boards 1.0")
    assert words in advice.message


def test_a_plugin_sees_each_policy_that_is_built_of_its_layers(with_hooks, policy_file, env):
    source = "import glulam\nseen = []\n@glulam.hookimpl\ndef glulam_policy_assembled(policy):\n    seen.append(policy)"
    registry = with_hooks(source)
    policy = glulam.build(policy_file(), env, registry=registry)
    assert registry.hooks["boards"].load().seen == [policy]


def test_two_plugins_may_name_their_hook_module_alike(with_hooks, plugins, policy_file, env):
    source = "import glulam\nseen = []\n@glulam.hookimpl\ndef glulam_policy_assembled(policy):\n    seen.append(policy)"
    with_hooks(source)
    module = plugins.add("other-code", {}, "raise AssertionError('was imported')")
    plugins.add("other", {})
    info = plugins.folder / "other-1.0.dist-info" / "entry_points.txt"
    info.write_text(f"[glulam.hooks]\nboards = {module}\n")
    registry = plugins.registry
    policy = glulam.build(policy_file(), env, registry=registry)
    assert [entry.distribution for entry in registry.hooks.claims("boards")] == ["boards", "other"]
    assert registry.hooks["boards:boards"].load().seen == [policy]
    assert list(claimed_twice(registry)) == []


def test_a_hook_that_fails_when_a_policy_is_built_is_a_warning(with_hooks, policy_file, env):
    source = "import glulam\n@glulam.hookimpl\ndef glulam_policy_assembled(policy):\n    1 / 0"
    registry = with_hooks(source)
    with pytest.warns(UserWarning, match="boards:boards .* glulam_policy_assembled raised ZeroDivisionError"):
        assert glulam.build(policy_file(), env, registry=registry).layers


class TestEnvironmentObjects:
    """`environment_spec` takes an object that some plug-in knows; the first answer counts."""

    KNOWS = """
    import glulam

    @glulam.hookimpl
    def glulam_environment_spec(environment):
        if environment == {answer!r}:
            return glulam.EnvSpec(name="{name}", tokens=glulam.TokenLayout(count=4), view_height=3, view_width=3,
                                  features=(), actions=glulam.ActionSpec(names=("stay",)))
    """

    @pytest.fixture
    def worlds(self, plugins):
        for name, answer in (("b-world", "maze"), ("a-world", "cave"), ("c-world", "cave")):
            module = plugins.add(f"{name}-code", {}, self.KNOWS.format(answer=answer, name=name))
            plugins.add(name, {"glulam.hooks": {name: ""}})
            info = plugins.folder / f"{name.replace('-', '_')}-1.0.dist-info" / "entry_points.txt"
            info.write_text(f"[glulam.hooks]\n{name} = {module}\n")
        plugins.add("broken-world", {"glulam.hooks": {"broken": "X"}}, "raise SystemExit")
        return plugins.registry

    def test_the_first_by_name_that_knows_it_answers(self, worlds):
        assert glulam.environment_spec(_Object("maze"), registry=worlds).name == "b-world"
        assert glulam.environment_spec(_Object("cave"), registry=worlds).name == "a-world"

    def test_an_object_that_nobody_knows_is_named_and_so_is_who_failed(self, worlds):
        with pytest.raises(GlulamError, match="no installed plugin knows an environment of type .*_Object") as caught:
            glulam.environment_spec(_Object("desert"), registry=worlds)
        assert "broken-world:broken (version 1.0) does not import: SystemExit" in str(caught.value)


class _Object:
    def __init__(self, name):
        self.name = name

    def __eq__(self, other):
        return self.name == other

    __hash__ = None


def test_answers_come_in_the_order_of_names(plugins):
    for name in ("zeta", "alpha", "mid"):
        module = plugins.add(f"{name}-code", {}, LINTS.replace("GL650", f"GL65{len(name)}"))
        plugins.add(name, {"glulam.hooks": {name: ""}})
        (plugins.folder / f"{name}-1.0.dist-info" / "entry_points.txt").write_text(
            f"[glulam.hooks]\n{name} = {module}\n"
        )
    registry = Registry([str(plugins.folder)])
    found = [answer.entry.name for answer in call_hooks(registry, "glulam_explanations")]
    assert found == ["alpha", "mid", "zeta"]
    assert [answer.entry.name for answer in call_hooks(registry, "glulam_explanations", {"mid"})] == ["mid"]


def advice_on(**changes):
    policy = {"glulam": 1, "extends": changes.pop("extends"), "set": changes}
    return [(fault.code, fault.layer, fault.evidence) for fault in resolve(policy).advice]


def test_a_saturated_memory_gets_advice_with_and_without_a_skip():
    evidence = "docs/results/lessons.md of glulam's repository, under 'Kinds of memory'"
    for skip in (True, False):
        found = advice_on(extends="fast", **{"memory.bias_init": 1.0, "memory.skip": skip})
        assert found == [("GL601", "memory", evidence)]
    assert advice_on(extends="fast", **{"memory.skip": False}) == []


def test_wide_tokens_get_advice_unless_there_is_a_teacher():
    evidence = "docs/results/lessons.md of glulam's repository, under 'The width of tokens'"
    wide = {"latent.hidden_size": 96, "latent.out_dim": 96}
    assert advice_on(extends="latent_attn_small", **wide) == [("GL602", "latent", evidence)]
    assert advice_on(extends="latent_attn_small", **dict.fromkeys(wide, 64)) == []
    policy = {"glulam": 1, "extends": "latent_attn_small", "set": wide}
    assert resolve(policy, losses=[{"loss": "kickstart", "teacher": "teacher.safetensors"}]).advice == ()


def test_small_action_embeddings_get_advice():
    evidence = "docs/results/lessons.md of glulam's repository, under 'First weights, and a way around the memory'"
    for scale, found in ((0.1, [("GL604", "action_embedding", evidence)]), (0.2, []), (1.0, [])):
        assert advice_on(extends="fast", **{"action_embedding.init_scale": scale}) == found


def test_positions_that_are_learned_get_advice_and_others_none():
    evidence = "docs/results/lessons.md of glulam's repository, under 'How positions are told'"
    keys = {"in_key": "tokens", "out_key": "token_features"}

    def with_tokenizer(**fields):
        policy = {"glulam": 1, "extends": "latent_attn_tiny", "replace": {"tokenizer": fields | keys}}
        return [(fault.code, fault.layer, fault.evidence) for fault in resolve(policy).advice]

    assert with_tokenizer(layer="learned_tokens") == [("GL603", "tokenizer", evidence)]
    assert with_tokenizer(layer="rope_tokens") == with_tokenizer(layer="fourier_tokens") == []
