"""Whatever a file says, it is resolved or refused with faults: never a traceback, always a report."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glulam import PolicyError, resolve
from glulam.dump import dump_policy
from tests.core.faults.corpus import ENV
from tests.core.faults.strange import STRANGE

NASTY = """
.nan|.inf|!!str 5|!x y|[]|{}|null|''|3|-1|1e999|[.nan]|{a: .nan}|[[1, [2]]]|*a|&a b|true|0x|\u00e9\u4e2d|a.b|a:b|zorp
|quell|ferrum|rewards|dones|obs_shaper
"""
NASTY = [*NASTY.replace("\n", "").split("|"), "x" * 300, "0x" + "f" * 4000]
CHANGES = {
    "glulam": 1,
    "name": "variant",
    "extends": "base.yaml",
    "set": {"quell.arms": 2, "zorp.cheer": 0.5},
    "replace": {"mibble": {"layer": "mibble", "left": "plumbum", "right": "stannum"}},
    "remove": ["nobody"],
    "insert": [{"before": "quell", "layers": [{"layer": "zorp", "name": "two", "outlet": "xenon", "share": "zorp"}]}],
}


@st.composite
def broken(draw, good):
    """A text with up to four edits: values and keys replaced, lines deleted, doubled and moved, characters lost."""
    lines = dump_policy(good).splitlines()
    for _ in range(draw(st.integers(1, 4))):
        number = draw(st.integers(0, len(lines) - 1))
        line = lines[number]
        what = draw(st.sampled_from(["value", "key", "delete", "double", "move", "character", "indent"]))
        before, colon, _ = line.partition(": ")
        if what == "value" and colon:
            lines[number] = f"{before}: {draw(st.sampled_from(NASTY))}"
        elif what == "key" and colon:
            indent = before[: len(before) - len(before.lstrip(" -"))]
            lines[number] = f"{indent}{draw(st.sampled_from(NASTY))}{line[len(before) :]}"
        elif what == "double":
            lines.insert(number, line)
        elif what == "move":
            lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(number))
        elif what == "character" and line:
            place = draw(st.integers(0, len(line) - 1))
            lines[number] = (
                line[:place] + draw(st.sampled_from(["", "{", "]", "'", "#", "\t", "&", "*", "!"])) + line[place + 1 :]
            )
        elif what == "indent":
            lines[number] = draw(st.sampled_from(["", "  ", "      "])) + line.strip()
        elif what == "delete" and len(lines) > 1:
            lines.pop(number)
    return "\n".join(lines) + "\n"


def check_reported(path, corpus, **options):
    faults = ()
    try:
        resolved = resolve(path, registry=corpus.registry, **options)
    except PolicyError as error:
        resolved, faults = None, error.faults
    for fault in faults:
        assert json.loads(json.dumps(fault.to_json()))["code"].startswith("GL")
        assert fault.message
        assert fault.remedy
        assert f"{fault.code} " in str(fault)
    assert bool(faults) is (resolved is None)
    if resolved is not None:
        assert resolve(resolved.to_mapping(), registry=corpus.registry, **options).to_mapping() == resolved.to_mapping()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=broken(STRANGE))
def test_a_whole_policy(corpus, text):
    corpus.file.write_text(text, encoding="utf-8")
    check_reported(corpus.file, corpus, env=ENV, losses=["wants"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=broken(CHANGES), base=st.just(dump_policy(STRANGE)) | broken(STRANGE))
def test_a_policy_that_changes_another(corpus, text, base):
    (corpus.file.parent / "base.yaml").write_text(base, encoding="utf-8")
    corpus.file.write_text(text, encoding="utf-8")
    check_reported(corpus.file, corpus)
