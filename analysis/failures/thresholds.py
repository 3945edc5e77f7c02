"""When a number becomes a failure: every limit in one place, each with its reason."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """Limits of the failure rules. Paces are multiples of a token's usual time in this map."""

    # loop and genuine repetition
    moved_on: float = 0.30  # of the usual advance per copy; "no no no" spoken fast keeps over half
    same_text: float = 0.5  # of re-read bigrams seen before; random text shares under a fifth
    # stall
    stall_tokens: int = 6  # silent letters ("ight") rest for four
    stall_words: int = 5  # the same for word tokens: function words run together in fours
    still_seconds: float = 0.09  # a resting peak flickers by this much, or between two frames
    stall_seconds: float = 0.40  # usual time of the tokens; fast speech crowds less than this
    stall_advance: float = 0.3  # of the usual advance; a fast talker keeps over a third
    # jump_back
    jump_seconds: float = 0.35  # back from the furthest place; jitter and soft rows stay below
    jump_paces: float = 1.5  # and as many tokens' time, for words
    jump_tokens: int = 3  # rows until it has caught up; one or two may be stray peaks
    jump_words: int = 2  # the same for word tokens
    noisy_rows: float = 0.03  # share of stray and vague rows from which one row more is wanted
    jump_heard: float = 0.7  # of that audio had been heard before; else it was only late
    passed_tokens: int = 9  # rows that read late what was passed over; fewer ahead are strays
    passed_words: int = 3  # the same for word tokens, of which the first may look like a stray
    wander_back: float = 0.25  # share of steps that go back; noise and loops stay under a sixth
    wander_travel: float = 1.5  # times the stretch read, travelled back; a few strays do once
    wander_tokens: int = 10  # steps; of fewer a few strays would be a quarter
    wander_words: int = 8  # the same for word tokens
    # diffuse
    diffuse_share: float = 0.5  # of rows without a place, in one stretch: most know nothing
    diffuse_tokens: int = 6  # shortest stretch, so that two vague rows of four are no verdict
    weak_gain: float = 4.0  # times uniform at the peak; random peaks of noise stay under this
    weak_order: float = 0.5  # rank correlation under which weak peaks are taken for noise
    # reversed
    reversed_order: float = -0.5  # monotonicity; loops and jumps alone never get this far


SEVERITY = (
    "diffuse",  # nothing can be said about where it listens
    "reversed",  # everything after it would be misread
    "loop",
    "stall",
    "runaway",
    "early_stop",
    "skip",
    "jump_back",  # everything was heard, only not in order
)  # most serious first
