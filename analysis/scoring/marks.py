"""Marks in transcripts: what annotators and recognisers write although nobody said it.

Corpora note noises, laughter and what could not be understood (LDC, Switchboard, CHAT, Kaldi),
models write placeholders (``<unk>``) and sound labels (``[Music]``). Left in, they count as words.
"""

import re

# words of sound labels; only these make a mark of what stands in round brackets or stars, where
# speech may stand as well: "(laughter)", "*clears throat*", but "(and he said so)"
_SOUNDS = frozenset(
    re.findall(
        r"\S+",
        """
    applause applauding audio background barking beep beeping beeps blank breath breathe breathes
    breathing breaths buzzing chatter cheer cheering cheers chuckle chuckles chuckling clap clapping
    claps click clicking clicks cough coughing coughs crosstalk cry crying exhale exhales gasp gasps
    giggle giggles giggling groan groans grunt grunts hes hesitation hiss horn hum humming inaudible
    indiscernible indistinct inhale inhales laugh laughing laughs laughter lipsmack mumble mumbles
    mumbling murmur music noise noises nsn overlap overlapping pause ringing rustling scream
    screaming screams sigh sighing sighs sil silence sing singing sings smack sneeze sneezes sniff
    sniffing sniffs sniffles snore snoring sob sobbing sobs spn static throat unclear unintelligible
    unk unknown whisper whispering whispers whistle whistles whistling yawn yawning yawns
    笑 笑い 笑声 拍手 掌声 音楽 音乐 咳
    """,
    )
)
_BESIDE = frozenset(  # words that stand beside them in labels
    re.findall(
        r"\S+",
        """
    a and clears foreign heavy in language light lip long loud loudly man of on people person
    playing plays quiet short soft softly sound sounds speaking speech speaks the upbeat voice
    voices with woman
    """,
    )
)
_REPLACED = (
    # a word that was said laughing (Switchboard)
    (re.compile(r"\[(?:laughter|laughing|laughs?)-([^\[\]\s]+)\]", re.IGNORECASE), r" \1 "),
    # [noise], [[previous word mispronounced]], 【笑】
    (re.compile(r"[\[［【〔]{1,3}[^\[\]［］【】〔〕]{0,80}[\]］】〕]+"), " "),
    # <unk>, <NOISE>, </s>
    (re.compile(r"[<＜][^<>＜＞\s](?:[^<>＜＞]{0,80}[^<>＜＞\s])?[>＞]"), " "),
    (re.compile(r"[{｛][^{}｛｝]{0,80}[}｝]"), " "),  # {cough}
    (re.compile(r"\+\+[^+\s]{1,40}\+\+"), " "),  # ++NOISE++ (Sphinx)
    (re.compile(r"(?<!\S)![A-Z]{2,}(?!\S)"), " "),  # !SIL (Kaldi)
    (re.compile(r"(?<!\S)&=\S+"), " "),  # &=laughs (CHAT)
    (re.compile(r"(?<=[^\W\d_])\(\d{1,2}\)"), ""),  # word(2): another pronunciation
)
# ((guessed words)) of LDC are speech
_MAYBE = re.compile(r"(?<![(（])[(（]([^()（）]{1,60})[)）](?![)）])|\*([^*]{1,60})\*")


def without_marks(text: str) -> str:
    """The text without marks, a space in the place of each.

    Marks are what stands in square, angle or curly brackets; what stands in round brackets or
    between stars where it names a sound (``(laughter)``, ``*coughs*``); ``++NOISE++``, ``!SIL``,
    ``&=laughs``, and the number of a pronunciation, ``word(2)``. ``[laughter-yes]`` is the word
    "yes", and ``((guess))`` the words that an annotator believes to have heard.

    Examples
    --------
    >>> without_marks("[noise] yes <unk> (and so on) (laughter)").split()
    ['yes', '(and', 'so', 'on)']
    """
    for pattern, replacement in _REPLACED:
        text = pattern.sub(replacement, text)
    return _MAYBE.sub(lambda match: " " if _is_sound(match[1] or match[2]) else match[0], text)


def _is_sound(label: str) -> bool:
    """Whether a label names sounds, and nothing but sounds and how they are."""
    words = re.findall(r"[^\W\d_]+", label.lower())
    return any(word in _SOUNDS for word in words) and all(
        word in _SOUNDS or word in _BESIDE for word in words
    )
