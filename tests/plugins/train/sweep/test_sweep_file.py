"""The sweep's file: what is read, and the text of every refusal."""

import subprocess
import sys

import pytest

from glulam import GlulamError
from glulam_train.sweep.sweep_file import After, read_sweep

HEAD = "glulam_sweep: 1\npolicy: toy\nenv: toy:cues\nsteps: 512\nseeds: 2\n"


@pytest.fixture
def refused(written):
    """Return the lines of a refusal, less the file's name."""

    def lines(variants="{plain: {}}", head=HEAD):
        path = written(variants, head)
        with pytest.raises(GlulamError) as caught:
            read_sweep(path)
        return [line.removeprefix(f"{path}: ") for line in str(caught.value).splitlines()]

    return lines


def test_variants_override_what_stands_at_the_top(written, tmp_path):
    head = HEAD + "settings: {num_envs: 4, ppo.clip: 0.1}\nthreshold: 1.5\n"
    found = read_sweep(
        written("{a: {}, b: {policy: b.yaml, env: toy:short, steps: 9, seeds: [7], settings: {num_envs: 8}}}", head)
    )
    a, b = found.variants
    assert (a.policy, a.seeds, a.after, a.changes) == ("toy", (0, 1), None, {})
    assert a.settings == {"threads": 1, "num_envs": 4, "ppo.clip": 0.1, "env": "toy:cues", "steps": 512}
    assert (b.policy, b.seeds) == (str(tmp_path / "b.yaml"), (7,))
    assert b.settings == {"threads": 1, "num_envs": 8, "ppo.clip": 0.1, "env": "toy:short", "steps": 9}
    assert found.threshold == 1.5


def test_a_variant_may_come_after_another(written):
    found = read_sweep(written("{b: {after: a}, a: {}, c: {after: {variant: a, seed: 1}}}"))
    assert [variant.after for variant in found.variants] == [After("a"), None, After("a", 1)]


def test_those_that_a_variant_comes_after_are_taken_with_it(written):
    found = read_sweep(written("{a: {}, b: {after: a}, c: {after: b}, d: {}}"))
    assert [variant.name for variant in found.with_those_before(["c"])] == ["a", "b", "c"]
    with pytest.raises(GlulamError, match=r"sweep\.yaml: there is no variant 'e': the variants are a, b, c, d$"):
        found.with_those_before(["e"])


TOP = {
    "sedes: 3\n": "unknown field 'sedes': write 'seeds'",
    "zzz: 3\n": "unknown field 'zzz': the fields are glulam_sweep, policy, env, steps, seeds, settings, threshold, var",
    "threshold: high\n": "threshold is 'high': write a return, or leave it out",
    "settings: [a]\n": "settings is ['a']: write {FIELD: VALUE}",
    "settings: {seed: 3}\n": "settings: seed does not stand here: write seeds beside settings",
    "settings: {steps: 3}\n": "settings: steps does not stand here: write steps beside settings",
}


@pytest.mark.parametrize(("line", "message"), TOP.items(), ids=TOP)
def test_a_fault_at_the_top(refused, line, message):
    [found] = refused(head=HEAD + line)
    assert found.startswith(message)


CHANGED = {
    "seeds: 2": {
        "seeds: 0": "seeds is 0: write a number of seeds such as 5, or a list such as [0, 1, 7] of whole numbers from",
        "seeds: []": "seeds is []: write a number of seeds",
        "seeds: [1, 1]": "seeds is [1, 1]: write a number of seeds",
        "seeds: [-1]": "seeds is [-1]: write a number of seeds",
        "seeds: many": "seeds is 'many': write a number of seeds",
        "": "variants.plain: seeds is missing: write a number of seeds",
    },
    "glulam_sweep: 1": {
        "": "glulam_sweep is missing: write 1, the version of the format",
        "glulam_sweep: 2": "glulam_sweep is 2: write 1, the version of the format",
    },
    "policy: toy": {
        "": "variants.plain: policy is missing: write 'policy: latent_attn_tiny', say, in the variant or at"
    },
    "env: toy:cues": {
        "env: 3": "variants.plain: env is 3: write 'env: mettagrid:forage', say, in the variant or at the"
    },
}


@pytest.mark.parametrize(
    ("line", "other", "message"), [(line, *item) for line, cases in CHANGED.items() for item in cases.items()]
)
def test_a_line_that_is_wrong_or_missing(refused, line, other, message):
    [found] = refused(head=HEAD.replace(line, other))
    assert found.startswith(message)


VARIANTS = {
    "{}": "variants is empty or missing: write {NAME: {}, ...}",
    "[a]": "variants is ['a']: write {NAME: {}, ...}",
    "{a: 3}": "variants.a: is 3: write a mapping, {} for the policy as it is",
    "{a b: {}}": "variants.a b: a variant's name is a folder's: write letters, digits, '_', '-' and '.' only",
    "{../a: {}}": "variants.../a: a variant's name is a folder's",
    "{curves.png: {}}": "variants.curves.png: a variant's name is a folder's: write letters, digits, '_', '-' and '.'",
    "{a: {}, A: {}}": "variants.a: two names differ in capitals only: rename one",
    "{a: {sets: {}}}": "variants.a: unknown field 'sets': write 'set'",
    "{a: {settings: 1}}": "variants.a: settings is 1: write {FIELD: VALUE}",
    "{a: {settings: {env: b}}}": "variants.a: settings: env does not stand here: write env beside settings",
    "{a: {seeds: x}}": "variants.a: seeds is 'x': write a number of seeds",
    "{a: {policy: ''}}": "variants.a: policy is '': write 'policy: latent_attn_tiny', say, in the variant or",
    "{a: {after: 3}}": "variants.a: after is 3: write a variant's name, or {variant: NAME, seed: 0}",
    "{a: {after: {variant: b}}}": "variants.a: after is {'variant': 'b'}: write a variant's name",
    "{long: {}, a: {after: lnog}}": "variants.a: after names 'lnog', which is no variant: write 'long'",
    "{a: {after: a}}": "variants.a: variants wait for each other (a after a): let one of them begin",
    "{a: {}, b: {after: a, seeds: 3}}": "variants.b: after needs seed 2 of a, which has [0, 1]: add it there, or write",
    "{a: {}, b: {after: {variant: a, seed: 5}}}": "variants.b: after needs seed 5 of a, which has [0, 1]: add it there",
    "{a: {settings: {init_from: '{after}/x'}}}": "variants.a: settings hold {after}: write 'after: VARIANT'",
    "{a: {settings: {losses: [{teacher: '{after}'}]}}}": "variants.a: settings hold {after}: write 'after: VARIANT'",
}


@pytest.mark.parametrize(("variants", "message"), VARIANTS.items(), ids=VARIANTS)
def test_a_fault_of_a_variant(refused, variants, message):
    found = refused(variants)[0]
    assert found.startswith(message)


def test_a_circle_is_told_by_each_of_its_variants(refused):
    assert refused("{a: {after: c}, b: {after: a}, c: {after: b}, d: {after: a}}") == [
        "variants.a: variants wait for each other (a after c after b after a): let one of them begin",
        "variants.b: variants wait for each other (b after a after c after b): let one of them begin",
        "variants.c: variants wait for each other (c after b after a after c): let one of them begin",
    ]


def test_all_that_is_wrong_is_told_at_once(refused):
    assert len(refused("{a: {sedes: 1}, b: {after: c}}", HEAD + "zzz: 1\nthreshold: x\n")) == 4


def test_reading_and_help_import_no_torch(written):
    code = (
        "import sys, pathlib, glulam_train.sweep.command as command\n"
        "from glulam_train.sweep import budget, plan, pool, results\n"
        "command.read_sweep(pathlib.Path(sys.argv[1]))\n"
        "print([name for name in ('torch', 'scipy', 'matplotlib') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code, written()], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
