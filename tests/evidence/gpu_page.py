"""The page on what was run on a GPU, from its result file."""

from tests.evidence.record import made_by, read_result
from tests.evidence.tables import row, table

__all__ = ["gpu_page"]

WAYS = ("ours", "plain", "compiled", "captured", "bf16")


def gpu_page():
    """Return the page."""
    result = read_result("gpu")
    rates = result["runs"][0]["ceilings"]
    lines = [
        "# On a GPU",
        "",
        "<!-- made by `python -m tests.evidence` from the result file beside it, by gpu_page.py -->",
        "",
        f"On one {result['device']}, with CUDA {result['cuda']} and Python {result['versions']['python']}.",
        "Steps of rollout, and forward and backward of a PPO loss over segments, as on [the CPU](performance.md);",
        "milliseconds between CUDA events, medians, each way in turn in every round.",
        '`compiled` is `policy.compile(mode="reduce-overhead")`, `captured` a step that was recorded as a CUDA graph,',
        "`bf16` ours under autocast; cuDNN may round to TF32, as torch lets it. Blank: not tried.",
        (
            "The share of the roofline is what the card could do at best over what ours took: a large product in "
            f"float32 ran at {rates['float32_flops'] / 1e12:.0f} TFLOP/s, a large copy moved "
            f"{rates['copy_bytes_per_second'] / 1e12:.1f} TB/s."
        ),
        "",
        *(f"* {note}" for note in result.get("notes", ())),
        "",
        *table("policy|phase|rows or segments x steps|rounds|ours|plain|compiled|captured|bf16|roofline, ours|best"),
        *(_run(run) for run in result["runs"]),
        "",
        "Where `captured` is far below `ours`, the host takes longer to start kernels than the card to run them;",
        "compiled code needs fewer of them. bf16 is slower in every row.",
        "",
        "## Training on `mettagrid:forage`",
        "",
        *table("policy|way|agents|agent-steps/s|of rollout alone|of training alone"),
        *(_training(run) for run in result["training"]),
        "",
        "## What holds there",
        "",
        "`tests/plugins/policies/test_cuda.py` and `tests/plugins/train/test_cuda.py` passed on that machine, and skip",
        "where there is no GPU: without TF32 rollouts of the five policies are the CPU's to 1e-4 and gradients to",
        "1e-3, a step waits for nothing",
        '(`torch.cuda.set_sync_debug_mode("error")`), a CUDA graph replays it with memory and resets, training scores',
        "what rollout drew with experience on the GPU and on the host, a run is resumed, and its checkpoint loads on",
        "the CPU.",
        "",
        made_by("gpu", result),
    ]
    return "\n".join(lines) + "\n"


def _run(run):
    ways = {way["what"]: way for way in run["ways"]}
    times = [f"{ways[name]['median']:.2f}" if name in ways else "" for name in WAYS]
    best = max(ways.values(), key=lambda way: way["roofline"])
    batch = " x ".join(f"{size:,}" for size in run["batch"])
    shares = f"{ways['ours']['roofline']:.1%}", f"`{best['what']}` {best['roofline']:.1%}"
    return row([f"`{run['policy']}`", run["phase"], batch, str(run["rounds"]), *times, *shares])


def _training(run):
    speeds = (run[f"{what}steps_per_second"] for what in ("", "rollout_", "training_"))
    return row([f"`{run['policy']}`", run["way"], str(run["agents"]), *(f"{speed:,.0f}" for speed in speeds)])
