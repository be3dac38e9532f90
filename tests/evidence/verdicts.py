"""The verdict on each lesson's sweep."""

from tests.evidence.claims import Answer, Claim, Verdict, how_soon, sizes

__all__ = ["VERDICTS"]

POSITIONS = (
    Claim("learned", "below", "fourier_4"),
    Claim("learned", "below", "rope"),
    Claim("learned", "above", "none"),
    Claim("rope", "like", "fourier_4"),
    Claim("rope", "like", "fourier_8"),
    Claim("fourier_8", "like", "fourier_4"),
    Claim("fourier_8", "like", "fourier_4_wide"),
    Claim("fourier_8", "like", "fourier_4", "area"),
    Claim("fourier_4_wide", "like", "fourier_4"),
    Claim("none", "below", "fourier_4"),
)

VERDICTS = {
    "positions": Verdict(
        "How positions are told",
        "**Handed down: Fourier features beat learned positions and rotations, and eight frequencies four. That\n"
        "learned positions lose holds; the rest does not show.**\n"
        "Each seed with learned positions ends below each of `fourier_4`, which is as `latent_attn_tiny` is shipped.\n"
        "Without positions hardly anything is learned.\n"
        "Rotations cannot be told from four frequencies.\n"
        "Nor can eight, nor four with an embedding that makes their tokens as wide as those of eight.\n"
        "Hence the advice GL603, on learned positions.",
        POSITIONS,
        answers=(
            Answer("Fourier features beat learned positions", "yes", "GL603"),
            Answer("Fourier features beat rotations (RoPE)", "not shown"),
            Answer("eight frequencies beat four", "not shown"),
        ),
    ),
    "positions_hearts": Verdict(
        "How positions are told, where only hearts pay",
        "**The same: that learned positions lose holds; that rotations lose, or four frequencies, does not show.**\n"
        "Each seed with learned positions ends below each seed with any of the others but `none`.\n"
        "Without positions nothing is learned at all: returns stay those of random play.\n"
        "Rotations cannot be told from four frequencies.\n"
        "Nor can eight, nor four with an embedding that makes their tokens as wide as those of eight.\n"
        "Hence the advice GL603, on learned positions.",
        POSITIONS,
        answers=(Answer("all three, where only hearts pay", "the same"),),
    ),
    "width_hearts": Verdict(
        "The width of tokens, where only hearts pay",
        "**Handed down: tokens wider than 48 struggle. That does not hold as it stands.**\n"
        "From scratch 64 ends highest; 96 ends below it, by an interval that hardly leaves out zero, and cannot be\n"
        "told from 32.\n"
        "Taught by one `fast` policy, whose own 600,000 agent-steps are not counted, 96 ends above all that were\n"
        "trained; 64 was not taught.\n"
        "`staged`, which reads with 32 and attends with 128, cannot be told from 32.\n"
        "Hence the advice GL602, which is cautious: over 64, train with a teacher.",
        (
            Claim("width_16", "below", "width_32"),
            Claim("width_48", "like", "width_32"),
            Claim("width_64", "above", "width_48"),
            Claim("width_96", "like", "width_32"),
            Claim("width_96", "below", "width_64"),
            Claim("staged", "like", "width_32"),
            Claim("taught_32", "above", "width_32"),
            Claim("taught_96", "above", "width_96"),
            Claim("taught_96", "above", "taught_32"),
            Claim("taught_96", "above", "width_64"),
        ),
        how_soon(("taught_32", "width_32"), ("taught_96", "width_96")),
        answers=(
            Answer(
                "tokens wider than 48 learn poorly where reward is sparse",
                "no: 64 is best; 96 late, unless taught",
                "GL602",
            ),
        ),
    ),
    "sizes": Verdict(
        "The size of the policy",
        "**Neither `small` as the sweet spot nor `med` as the one that learns most from each step shows.**\n"
        "By agent-steps `vit_lstm` ends above `med` and `fast` and cannot be told from `tiny`, nor can `small`.\n"
        "By the clock `tiny` is ahead of all.",
        (
            Claim("vit_lstm", "above", "med"),
            Claim("vit_lstm", "above", "fast"),
            Claim("vit_lstm", "like", "tiny"),
            Claim("small", "like", "tiny"),
            Claim("small", "like", "med"),
            Claim("med", "below", "tiny", "area"),
        ),
        sizes,
        answers=(
            Answer("`latent_attn_small` is the sweet spot", "no: by the clock `latent_attn_tiny` is ahead"),
            Answer("`latent_attn_med` learns most from each step", "no: `vit_lstm` ends above it"),
        ),
    ),
    "sizes_hearts": Verdict(
        "The size of the policy, where only hearts pay",
        "**Neither `small` as the sweet spot nor `med` as the one that learns most from each step shows.**\n"
        "By agent-steps `vit_lstm` ends above all others; `med` cannot be told from `tiny`, nor `small` from either.\n"
        "By the clock `tiny` is ahead of all but `small`, of which that cannot be told: while it trains to the end,\n"
        "`vit_lstm` and `med` hardly begin.\n"
        "`fast` ends below `tiny` and `med`.",
        (
            Claim("vit_lstm", "above", "tiny"),
            Claim("vit_lstm", "above", "small"),
            Claim("vit_lstm", "above", "med"),
            Claim("vit_lstm", "above", "fast"),
            Claim("vit_lstm", "above", "med", "area"),
            Claim("med", "like", "tiny"),
            Claim("small", "like", "tiny"),
            Claim("small", "like", "med"),
            Claim("fast", "below", "tiny"),
            Claim("fast", "below", "med"),
        ),
        sizes,
        answers=(
            Answer("`latent_attn_small` is the sweet spot, where only hearts pay", "not shown"),
            Answer("`latent_attn_med` learns most from each step, where only hearts pay", "no: `vit_lstm` does"),
        ),
    ),
    "kickstart": Verdict(
        "A teacher at first",
        "**It depends on the student.** A `latent_attn_tiny` that is taught on `mettagrid:forage` cannot be told from\n"
        "one that is not, and needs more than half of the steps to be where that one ends.\n"
        "Its policy stays nearly as far from its teacher's as it began, so what it is taught does not arrive.\n"
        "A student that can follow needs less than half: see\n"
        "[the width of tokens](#the-width-of-tokens-where-only-hearts-pay).",
        (
            Claim("taught_by_fast", "like", "scratch"),
            Claim("taught_by_small", "like", "scratch"),
            Claim("taught_by_small", "like", "taught_by_fast"),
        ),
        how_soon(("taught_by_fast", "scratch"), ("taught_by_small", "scratch")),
        answers=(
            Answer(
                "a teacher saves half of the steps",
                "of a wide `latent_attn_small`, not of `latent_attn_tiny`",
            ),
        ),
    ),
    "initialisation": Verdict(
        "First weights, and a way around the memory",
        "**Each of the original's first weights costs returns, and all of them together cost nearly all.**\n"
        "LSTM biases of 1, no skip around the memory and embeddings of at most 0.1 end below what is shipped, each\n"
        "seed below each; with all three `fast` returns little more than at random.\n"
        "Forget gates that start at 1 cannot be told from biases of 0.\n"
        "Hence the advice GL601, on biases, and GL604, on embeddings.\n"
        "There is none on the skip, which pays here and does not show in [the maze](#kinds-of-memory).",
        (
            Claim("no_skip", "below", "shipped"),
            Claim("small_embeddings", "below", "shipped"),
            Claim("small_embeddings", "below", "no_skip"),
            Claim("forget_1", "like", "shipped"),
            Claim("forget_1", "like", "shipped", "area"),
            Claim("ones", "below", "shipped"),
            Claim("ones", "like", "no_skip"),
            Claim("original", "below", "no_skip"),
            Claim("original", "below", "small_embeddings"),
            Claim("original", "below", "ones"),
        ),
        answers=(
            Answer("biases of an LSTM start at 1", "no: learning is late", "GL601"),
            Answer("no way leads around the memory", "no: a skip pays on forage"),
            Answer("action embeddings start at 0.1 at most", "no: learning is late", "GL604"),
            Answer("a forget gate starts at 1", "no gain shown"),
        ),
    ),
    "memory": Verdict(
        "Kinds of memory",
        "**Which memory matters little, how it begins matters much.**\n"
        "Each kind solves the maze with at least four seeds of five; one GRU never did, and two LSTMs lost it again,\n"
        "at a learning rate that stays high.\n"
        "Attention, whose window is as long as an episode, does so soonest; the gates cannot be told from each other.\n"
        "Handed down are LSTM biases that are all 1. With them and a skip around the memory none of five seeds solved\n"
        "the maze, without the skip two did.\n"
        "Forget gates that start at 1 cannot be told from biases of 0.\n"
        "Hence the advice GL601.",
        (
            Claim("none", "below", "gru"),
            Claim("lstm", "like", "gru"),
            Claim("min_gru", "like", "gru"),
            Claim("sliding", "like", "gru"),
            Claim("sliding", "above", "gru", "area"),
            Claim("min_gru", "like", "lstm"),
            Claim("sliding", "above", "lstm", "area"),
            Claim("sliding", "above", "min_gru", "area"),
            Claim("sliding", "above", "lstm_no_skip", "area"),
            Claim("sliding", "above", "lstm_forget_1", "area"),
            Claim("lstm_no_skip", "like", "lstm"),
            Claim("lstm_forget_1", "like", "lstm"),
            Claim("lstm_ones", "below", "lstm"),
            Claim("lstm_ones", "like", "none"),
            Claim("lstm_ones_no_skip", "below", "lstm_no_skip"),
        ),
        answers=(Answer("biases of an LSTM start at 1", "no: it then remembers late or never", "GL601"),),
    ),
    "resets": Verdict(
        "Resets inside a segment",
        "**That deafness to resets costs returns is not shown.** An LSTM that hears of no reset but the first of a\n"
        "segment, as in four of the original's policies, cannot be told from one that hears of all.\n"
        "That training then computes another function than the rollout is proven, whatever it costs, and stays a\n"
        "breach of [the contract](../contract.md).",
        (Claim("deaf", "like", "hears"), Claim("deaf", "like", "hears", "area")),
        answers=(
            Answer(
                "training may go through the ends of episodes",
                "a cost is not shown; it breaks the contract",
            ),
        ),
    ),
}
