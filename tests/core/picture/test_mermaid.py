"""Mermaid text: a statement a layer and key, and nothing of a policy that ends one."""

import re

from glulam.picture import blueprint, draw_mermaid
from tests.core.picture.drawings import BROKEN, HOSTILE

STATEMENT = re.compile(
    r"  (accTitle: .+|\w+\(?\[\"[^\"\n]*\"\]\)?:::\w+|\w+ -- \"[^\"\n]*\" --> \w+|\w+ -\.-> \w+"
    r"|\w+ --- \w+\(\[\"[^\"\n]*\"\]\)|classDef \w+ \S+)"
)


def is_flowchart(text):
    first, *others = text.splitlines()
    return first == "flowchart TD" and all(STATEMENT.fullmatch(line) for line in others)


def test_layers_and_keys_are_statements():
    text = draw_mermaid(blueprint("latent_attn_tiny"))
    assert is_flowchart(text)
    assert '  b1["<b>tokenizer</b><br/>fourier_tokens · glulam-tokens"]:::hue0' in text
    assert '  b1 -- "token_features [N, 27] float" --> b2' in text
    assert '  world -- "env_obs [...] any" --> b0' in text
    assert re.search(r'  b\d --- k\d+\(\["values \[\] float"\]\)', text)


def test_faults_are_in_their_layer(tmp_path):
    (tmp_path / "broken.yaml").write_text(BROKEN, encoding="utf-8")
    text = draw_mermaid(blueprint(tmp_path / "broken.yaml"))
    assert is_flowchart(text)
    assert "GL201 unknown layer 'lstmm'<br/>try: write 'lstm'\"]:::fault" in text
    assert "GL102 unknown field 'lasers'<br/>try: write 'layers'\"]:::fault" in text
    assert "(written by nothing" not in text
    assert '<br/>written by nothing"]):::fault' in text


def test_nothing_that_a_policy_says_ends_a_statement():
    shaper = {"layer": "token_shaper", "out_key": f'{HOSTILE}"] --> x'}
    policy = {"glulam": 1, "name": f"{HOSTILE}\nclick b0 call evil()", "obs_shaper": shaper, "layers": []}
    policy["action_head"] = {"layer": "action_distribution"}
    text = draw_mermaid(blueprint(policy))
    assert is_flowchart(text)
    assert "<script" not in text
