"""The guard around plug-ins' code: whatever it does is told, and hurts nobody else."""

import pytest

import glulam
from glulam import GlulamError
from glulam.catalog import PluginError
from tests.core.faults.strange import CURSED, STRANGE, install_strangers


class TestGuard:
    """A plug-in that cannot be had is an error that names it; whatever it does hurts nobody else."""

    @pytest.fixture
    def cursed(self, plugins, monkeypatch):
        monkeypatch.setenv("GLULAM_IMPORT_SECONDS", "0.3")
        return install_strangers(plugins)

    @pytest.mark.parametrize(
        ("name", "words"),
        {
            "import_error": "does not import: ModuleNotFoundError: No module named 'no_such_module_anywhere'",
            "syntax_error": "does not import: SyntaxError: invalid syntax",
            "system_exit": "does not import: SystemExit: 3",
            "endless": "does not import: it did not finish in 0.3 s (set GLULAM_IMPORT_SECONDS for more)",
            "wrong_object": "cursed-wrong-object:wrong_object (version 1.0) is 3, no layer config class",
            "no_attribute": "has no attribute 'Thing'",
            "undecorated": "is Thing, which lacks the decorator @glulam.layer",
            "old_protocol": "GL204 cursed-old-protocol:old_protocol speaks layer protocol 0, this glulam speaks 1",
        }.items(),
    )
    def test_each_is_told_with_owner_and_reason(self, cursed, name, words):
        with pytest.raises(PluginError) as caught:
            cursed.layers[name].load()
        assert words in str(caught.value)
        assert caught.value.code == CURSED[name]
        assert f"cursed-{name.replace('_', '-')}" in str(caught.value)
        assert glulam.resolve(STRANGE, registry=cursed).name == "strange"

    def test_a_plugin_that_swallows_the_interruption_is_interrupted_again(self, plugins, monkeypatch):
        monkeypatch.setenv("GLULAM_IMPORT_SECONDS", "0.2")
        source = (
            "for n in range(3):\n    try:\n        while True: pass\n    except BaseException: pass\nwhile True: pass"
        )
        plugins.add("stubborn", {"glulam.layers": {"stubborn": "X"}}, source)
        with pytest.raises(PluginError, match="did not finish in 0.2 s"):
            plugins.registry.layers["stubborn"].load()

    def test_what_a_plugin_prints_is_not_our_output(self, plugins, capsys):
        plugins.add("loud", {"glulam.losses": {"loud": "X"}}, "print('look at me')")
        with pytest.raises(PluginError):
            plugins.registry.losses["loud"].load()
        assert capsys.readouterr() == ("", "look at me\n")

    def test_a_plugin_is_imported_once_however_often_it_is_named(self, plugins):
        plugins.add(
            "counted", {"glulam.layers": {"counted": "X"}}, "import builtins\nbuiltins.count += 1\nraise ImportError"
        )
        import builtins

        builtins.count = 0
        entry = plugins.registry.layers["counted"]
        for _ in range(3):
            with pytest.raises(PluginError):
                entry.load()
        assert builtins.count == 1

    def test_a_limit_that_is_none_is_refused(self, plugins, monkeypatch):
        plugins.add("boards", {"glulam.layers": {"scale": "X"}})
        for text in ("soon", "0", "-1", "inf", "nan"):
            monkeypatch.setenv("GLULAM_IMPORT_SECONDS", text)
            with pytest.raises(GlulamError, match=f"GLULAM_IMPORT_SECONDS is '{text}'; write a positive number"):
                plugins.registry.layers["scale"].load()

    @pytest.mark.parametrize(
        ("group", "source", "words"),
        [
            ("losses", "class X: pass", "no loss config class"),
            ("policies", "X = 1", "is 1, neither a YAML file nor a PolicyConfig class"),
            ("environments", "def X(): pass", "no environment family: it lacks spec, make"),
            ("commands", "def X(): pass", "no click command"),
            ("layers", "class X: pass", "no layer config class: no instantiate()"),
        ],
    )
    def test_each_kind_knows_what_it_must_be(self, plugins, group, source, words):
        plugins.add("odd", {f"glulam.{group}": {"odd": "X"}}, source)
        with pytest.raises(PluginError, match="GL203 odd:odd \\(version 1.0\\) is") as caught:
            getattr(plugins.registry, group)["odd"].load()
        assert words in str(caught.value)
