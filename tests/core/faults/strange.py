"""Installed distributions with unfamiliar names: one whose layers work, and some that are broken in their own way."""

import glulam

__all__ = ["CURSED", "SOURCES", "STRANGE", "install_strangers"]

# A policy of unfamiliar kinds, fields and keys; nothing in it follows the names of our own plug-ins.
STRANGE = {
    "glulam": 1,
    "name": "strange",
    "obs_shaper": {"layer": "gaze"},
    "layers": [
        {"layer": "zorp", "inlet": "aurum", "sieve": "argentum", "outlet": "ferrum", "girth": 12},
        {"layer": "quell", "inlet": "ferrum", "outlet": "plumbum", "arms": 3},
        {"layer": "quell", "name": "quell_again", "inlet": "plumbum", "outlet": "stannum", "arms": 4, "girth": 8},
        {"layer": "mibble", "left": "plumbum", "right": "stannum", "outlet": "cuprum"},
        {"layer": "yarrow", "inlet": "cuprum", "outlet": "zincum", "flavour": "sour"},
    ],
    "action_head": {"layer": "verdict", "inlet": "zincum"},
}

LAYERS = '''
import attrs
import glulam
from attrs.validators import gt, in_


@glulam.layer
class Gaze(glulam.ObsShaperConfig):
    """What is seen."""
    inlet: str = glulam.reads("env_obs", dtype="uint8", shape="env.num_tokens env.token_columns")
    outlet: str = glulam.writes("aurum", shape="N 3")
    sieve: str = glulam.writes("argentum", dtype="bool", shape="N")


@glulam.layer
class Zorp(glulam.LayerConfig):
    """Tokens to a vector."""
    inlet: str = glulam.reads("aurum", shape="N span")
    sieve: str = glulam.reads("argentum", dtype="bool", shape="N", optional=True)
    outlet: str = glulam.writes("ferrum", shape="girth")
    span: int | None = None
    girth: int = attrs.field(default=4, validator=gt(0))
    cheer: float = 0.5


@glulam.layer
class Quell(glulam.LayerConfig):
    """A vector to a vector, by arms that divide its width."""
    inlet: str = glulam.reads("ferrum", shape="span")
    outlet: str = glulam.writes("plumbum", shape="girth")
    span: int | None = None
    girth: int = attrs.field(default=8, validator=gt(0))
    arms: int = attrs.field(default=1, validator=[gt(0), glulam.divides("span")])


@glulam.layer
class Mibble(glulam.LayerConfig):
    """Two vectors of one width to one."""
    left: str = glulam.reads("plumbum", shape="span")
    right: str = glulam.reads("stannum", shape="span")
    outlet: str = glulam.writes("cuprum", shape="span")
    span: int | None = None


@glulam.layer
class Yarrow(glulam.LayerConfig):
    """A vector to a number an action, and a number."""
    inlet: str = glulam.reads("cuprum", shape="span")
    outlet: str = glulam.writes("zincum", shape="env.num_actions")
    worth: str = glulam.writes("mercurium", shape="")
    span: int | None = None
    flavour: str = attrs.field(default="sweet", validator=in_(("sweet", "sour")))
    lively: bool = True


@glulam.layer
class Verdict(glulam.LayerConfig):
    """The choice."""
    inlet: str = glulam.reads("zincum", shape="A")
    choice: str = glulam.writes("actions", dtype="int64", shape="", phase="act")
    odds: str = glulam.writes("act_log_prob", shape="")


@glulam.layer
class Wants(glulam.LossConfig):
    """A loss that reads one key."""
    inlet: str = glulam.reads("mercurium", shape="")
'''
POINTS = {
    "glulam.layers": {
        "gaze": "Gaze", "zorp": "Zorp", "quell": "Quell", "mibble": "Mibble", "yarrow": "Yarrow", "verdict": "Verdict",
    },
    "glulam.losses": {"wants": "Wants"},
}  # fmt: skip

# Kinds that cannot be had, with the code of each; the modules do what their names say.
CURSED = {
    "claimed_twice": "GL202",
    "import_error": "GL203",
    "syntax_error": "GL203",
    "system_exit": "GL203",
    "endless": "GL203",
    "wrong_object": "GL203",
    "no_attribute": "GL203",
    "undecorated": "GL203",
    "old_protocol": "GL204",
    "blocked": "GL205",
}
SOURCES = {
    "import_error": "import no_such_module_anywhere",
    "syntax_error": "def (",
    "system_exit": "raise SystemExit(3)",
    "endless": "while True: pass",
    "wrong_object": "Thing = 3",
    "no_attribute": "Other = 3",
    "undecorated": "import glulam\n\nclass Thing(glulam.LayerConfig): pass",
    "old_protocol": "import glulam\n\n@glulam.layer\nclass Thing(glulam.LayerConfig):\n    protocol = 0",
    "blocked": "raise AssertionError('a blocked plug-in was imported')",
}


def install_strangers(plugins):
    """Install them all into a folder of fake distributions; return the folder's registry."""
    plugins.add("wyvern-labs", POINTS, LAYERS, version="2.7")
    for name, source in SOURCES.items():
        plugins.add(f"cursed-{name}", {"glulam.layers": {name: "Thing"}}, source)
    for owner in ("ghost-a", "ghost-b"):
        plugins.add(owner, {"glulam.layers": {"claimed_twice": "Zorp"}}, LAYERS)
    return glulam.Registry([str(plugins.folder)], block=["cursed-blocked"])
