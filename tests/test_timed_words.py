"""Words with times in the JSON of many programs: nothing that is written is lost."""

import json
import tracemalloc

import pytest

from analysis.io.timed_words import WordTimesError, timed_words
from analysis.io.toolkits import from_words
from analysis.scoring.errors import score

SAID = [("the", 0.1, 0.22), ("old", 0.22, 0.48), ("man", 0.48, 0.8)]


def as_words(name: str = "word", before: str = "", **more) -> list[dict]:
    return [{name: before + text, "start": a, "end": b, **more} for text, a, b in SAID]


def milliseconds(scale: int) -> list[dict]:
    return [
        {"text": text, "start": round(a * scale), "end": round(b * scale)} for text, a, b in SAID
    ]


WITHOUT_WORDS = {
    "id": 0,
    "seek": 0,
    "start": 0.1,
    "end": 0.8,
    "text": " The old man.",
    "tokens": [50364, 440],
    "no_speech_prob": 0.01,
}
CLOCK = {"from": "00:00:00,100", "to": "00:00:00,800"}
SHAPES = {
    "whisper": {
        "text": " the old man",
        "segments": [WITHOUT_WORDS | {"words": as_words("word", " ")}],
    },
    "openai api, words and segments": {
        "text": "the old man",
        "words": as_words(),
        "segments": [WITHOUT_WORDS],
    },
    "openai api, words alone": {"text": "the old man", "segments": None, "words": as_words()},
    "speaches": {"text": "the old man", "segments": [], "words": as_words(probability=0.5)},
    "whisperX": {
        "segments": [{"start": 0.1, "end": 0.8, "text": " the old man", "words": as_words()}],
        "word_segments": as_words(),
    },
    "whisper-timestamped": {"text": "the old man", "segments": [{"words": as_words("text")}]},
    "transformers": {
        "text": " the old man",
        "chunks": [{"text": f" {text}", "timestamp": [a, b]} for text, a, b in SAID],
    },
    "vosk": {"result": as_words(conf=1.0), "text": "the old man"},
    "vosk, several results": [
        {"result": as_words()[:2], "text": "the old"},
        {"result": as_words()[2:], "text": "man"},
    ],
    "gentle": {"transcript": "the old man", "words": as_words(case="success")},
    "one segment a word": {
        "segments": [
            {"id": n, "text": f" {text}", "start": a, "end": b}
            for n, (text, a, b) in enumerate(SAID)
        ]
    },
    "milliseconds": {"text": "the old man", "words": milliseconds(1000)},
    "nanoseconds": {"words": milliseconds(10**9)},
    "texts for numbers": {
        "words": [{"word": text, "start": f"{a}", "end": f"{b}s"} for text, a, b in SAID]
    },
    "whisper.cpp": {
        "transcription": [
            {
                "timestamps": CLOCK,
                "offsets": {"from": 100, "to": 800},
                "text": " the old man",
                "tokens": [
                    {"text": "[_BEG_]", "offsets": {"from": 0, "to": 0}},
                    *(
                        {"text": piece, "offsets": {"from": a, "to": b}}
                        for piece, a, b in (
                            (" the", 100, 220),
                            (" o", 220, 300),
                            ("ld", 300, 480),
                            (" man", 480, 800),
                        )
                    ),
                    {"text": "[_TT_50]", "offsets": {"from": 800, "to": 800}},
                ],
            }
        ]
    },
    "whisper.cpp, a word a line": {
        "transcription": [
            {
                "timestamps": {
                    "from": f"00:00:0{a:.3f}".replace(".", ","),
                    "to": f"00:00:0{b:.3f}",
                },
                "offsets": {"from": round(1000 * a), "to": round(1000 * b)},
                "text": f" {text}",
            }
            for text, a, b in SAID
        ]
    },
    "ElevenLabs": {
        "text": "the old man",
        "words": [
            each
            for word in as_words("text", type="word")
            for each in (
                word,
                {"text": " ", "start": word["end"], "end": word["end"], "type": "spacing"},
            )
        ],
    },
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_gives_the_same_words(name):
    found = timed_words(SHAPES[name])
    times = [(word.text, round(word.start, 3), round(word.end, 3)) for word in found.words]
    assert times == SAID
    assert score("the old man", found.text).wer == 0
    assert len(found.remarks) == name.endswith("seconds")


def test_words_of_segments_that_could_not_be_aligned_are_kept():
    segments = [
        {"start": 0.1, "end": 0.8, "text": " the old man", "words": as_words()},
        {"start": 2.0, "end": 3.2, "text": " 15 09 2021", "words": []},
        {
            "start": 4.0,
            "end": 5.0,
            "text": " so",
            "words": [{"word": "so", "start": 4.2, "end": 4.6}],
        },
        {"start": 5.0, "end": 5.4, "text": "今天"},
    ]
    found = timed_words({"segments": segments, "word_segments": as_words()})
    assert found.text == "the old man 15 09 2021 so 今天"
    assert [(w.text, round(w.start, 3), round(w.end, 3)) for w in found.words][3:] == [
        ("15", 2.0, 2.4),
        ("09", 2.4, 2.8),
        ("2021", 2.8, 3.2),
        ("so", 4.2, 4.6),
        ("今", 5.0, 5.2),
        ("天", 5.2, 5.4),
    ]
    assert "5 words of segments that could not be aligned" in found.remarks


def test_words_without_times_share_what_lies_between_their_neighbours():
    words = [
        {"word": "in", "start": 1.0, "end": 1.2},
        {"word": "2014"},
        {"word": "£5"},
        {"word": "he", "start": 2.2, "end": 2.4},
        {"word": "3"},
    ]
    found = timed_words(
        {"segments": [{"start": 1.0, "end": 3.0, "text": "in 2014 £5 he 3", "words": words}]}
    )
    times = [(round(word.start, 2), round(word.end, 2)) for word in found.words]
    assert times == [(1.0, 1.2), (1.2, 1.7), (1.7, 2.2), (2.2, 2.4), (2.4, 3.0)]
    assert found.text == "in 2014 £5 he 3"
    assert found.remarks == ("3 words without a time of their own lie between the neighbours",)


ODD = [  # times of "old" in the middle, times it gets, what is said
    ((-0.02, 0.48), (0.0, 0.48), "1 word with a time before the recording starts at 0"),
    ((-50, 0.48), (0.22, 0.48), "1 word with a time that cannot be"),
    ((0.3, 0.2), (0.3, 0.3), "1 word that ended before it started has no length"),
    ((0.3, float("inf")), (0.3, 0.48), "1 word with a time that cannot be"),
    (("soon", 0.4), (0.22, 0.4), "1 word with a time that cannot be"),
    ((0.3, None), (0.3, 0.48), "1 word without a time of its own lies between the neighbours"),
    ((0.3, 10**400), (0.3, 0.48), "1 word with a time that cannot be"),
]


@pytest.mark.parametrize(("times", "expected", "remark"), ODD)
def test_one_odd_time_does_not_refuse_the_file(times, expected, remark):
    words = as_words()
    words[1] |= {"start": times[0], "end": times[1]}
    found = timed_words({"words": words})
    assert (found.words[1].start, found.words[1].end) == expected
    assert remark in found.remarks
    assert found.text == "the old man"


def test_one_odd_word_does_not_refuse_the_file():
    words = [as_words()[0], 5, None, {"word": ["x"], "start": 0.3}, {"start": 1}, *as_words()[1:]]
    found = timed_words({"words": words})
    assert [word.text for word in found.words] == ["the", "old", "man"]
    assert found.remarks == ("4 words without a text were left out",)


def test_characters_of_scripts_without_spaces_are_not_set_apart():
    said = "今天天气很好"
    words = [{"word": c, "start": 0.3 * n, "end": 0.3 * n + 0.3} for n, c in enumerate(said)]
    for values in ({"segments": [{"text": said, "words": words}]}, {"words": words}, words):
        found = from_words(json.dumps(values).encode())
        assert found.text == said
        assert found.tokens == tuple(said)
        assert score(said, found.text).cer == 0
    pieces = [("これは", 0.0, 0.5), ("テスト", 0.5, 1.0), ("です。", 1.0, 1.4)]
    found = timed_words([{"word": text, "start": a, "end": b} for text, a, b in pieces])
    assert found.text == "これはテストです。"
    spaced = [
        {"word": text, "start": n, "end": n + 0.5}
        for n, text in enumerate((" so", "-called", " it"))
    ]
    assert timed_words({"words": spaced}).text == "so-called it"


def test_the_text_that_is_stated_is_the_text():
    found = timed_words({"text": "The old man.", "words": as_words()})
    assert found.text == "The old man."
    parts = {
        "segments": [
            {"text": "The old", "words": as_words()[:2]},
            {"text": "man.", "words": as_words()[2:]},
        ]
    }
    assert timed_words(parts).text == "The old man."


def test_a_file_with_a_byte_order_mark_is_read_and_its_remarks_stay_with_the_map():
    words = as_words()
    words[0]["start"] = -0.02
    found = from_words(b"\xef\xbb\xbf" + json.dumps({"words": words}).encode())
    assert found.tokens == ("the", "old", "man")
    assert found.remarks == ("1 word with a time before the recording starts at 0",)


def test_a_long_text_without_times_takes_little_memory():
    values = {"segments": [{"words": as_words()}, {"text": "a " * 2_000_000}]}
    tracemalloc.start()
    with pytest.raises(WordTimesError, match="more than 50000"):
        timed_words(values)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50_000_000  # two million words would take a gigabyte
