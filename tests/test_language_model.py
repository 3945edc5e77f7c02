"""The language model against probabilities by hand; fusion where it must change a text."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.checkpoint import Card, CheckpointError
from models.decoding import ctc
from models.decoding.hypothesis import IMPOSSIBLE
from models.decoding.language_model import STEP, Fusion, LanguageModel, Trie, load, save
from models.text import BLANK, EOS, Alphabet
from models.training import language_model as training
from models.training.language_model import Source, bits_per_character, estimate, gather_sources

SMALL = Alphabet((BLANK, " ", "a", "b", "c", EOS))
MANY = 10**6  # n-grams: no pruning
letters = st.text(alphabet=" abc", min_size=1, max_size=12)


def learnt(*sentences: str, order: int = 3, nodes: int = MANY, alphabet=SMALL) -> LanguageModel:
    return LanguageModel(alphabet, estimate([Source("x", sentences)], alphabet, order, nodes))


def after(model: LanguageModel, text: str) -> np.ndarray:
    """Probability (vocabulary,) of each character after that beginning of a sentence."""
    states = np.array([model.start])
    for token in model.alphabet.encode(text):
        states = model.advance(states, np.array([token]))
    return np.exp(model.log_probs(states)[0])


@settings(max_examples=25)
@given(
    st.lists(letters, min_size=1, max_size=20),
    st.integers(1, 6),
    st.integers(6, 200),
    st.lists(letters, min_size=1, max_size=3),
)
def test_all_characters_together_are_certain_in_every_state(sentences, order, nodes, texts):
    model = learnt(*sentences, order=order, nodes=nodes)
    for text in texts:
        for size in range(len(text) + 1):
            probs = after(model, text[:size])
            assert probs.sum() == pytest.approx(1.0, abs=1e-9)
            assert probs[SMALL.blank] == 0
            assert (probs[1:] > 0).all()


@settings(max_examples=12)
@given(st.lists(letters, min_size=1, max_size=12), st.lists(letters, min_size=2, max_size=5))
def test_a_batch_of_states_is_its_members_and_depends_on_the_text_alone(sentences, texts):
    model = learnt(*sentences, order=4, nodes=60)
    longest = max(map(len, texts))
    tokens = np.array([SMALL.encode(text.ljust(longest, "a")) for text in texts])
    states = np.full(len(texts), model.start)
    for place in range(longest):
        together = model.log_probs(states)
        for row in range(len(texts)):
            alone = after(model, SMALL.decode(tokens[row, :place]))
            np.testing.assert_allclose(np.exp(together[row]), alone, atol=1e-12)
        states = model.advance(states, tokens[:, place])


def test_backing_off_by_hand():
    costs = [round(-np.log(p) / STEP) for p in (0.1, 0.4, 0.2, 0.1, 0.2, 0.5)]  # last: b after a
    model = LanguageModel(
        SMALL,
        Trie(
            characters=np.array([1, 2, 3, 4, 5, 3], np.uint8),
            costs=np.array(costs, np.uint8),
            children=np.array([5, 0, 1], np.uint8),
        ),
    )
    single = np.exp(-STEP * np.array(costs[:5]))
    single /= single.sum()
    stored = np.exp(-STEP * costs[5])
    np.testing.assert_allclose(after(model, "")[1:], single)  # nothing follows the start
    expected = single * (1 - stored) / (1 - single[2])
    expected[2] = stored
    np.testing.assert_allclose(after(model, "a")[1:], expected)
    np.testing.assert_allclose(after(model, "ab")[1:], single)  # an unseen context


def test_kneser_ney_by_hand():
    # Twice "ab", once "b". With so little text the discounts are 0.5, 1 and 1.5 for 1, 2 and 3.
    # Unigrams count what they follow: b two (a, start), a one (start), end one (b); 1 + 1 + 0.5 is
    # discounted or added and shared by five characters, of which two never came.
    freed = 0.5 + 1.0 + 0.5
    share = freed / 4 / 5
    unigram = {
        " ": share,
        "a": 0.5 / 4 + share,
        "b": 1 / 4 + share,
        "c": share,
        EOS: 0.5 / 4 + share,
    }
    assert sum(unigram.values()) == pytest.approx(1)
    # After the start a came twice and b once, after a b twice, after b the end three times.
    start = {"a": (2 - 1) / 3 + 1.5 / 3 * unigram["a"], "b": (1 - 0.5) / 3 + 1.5 / 3 * unigram["b"]}
    model = learnt("ab", "ab", "b", order=2)
    step = 1.04 * STEP / 2 + 1e-9  # rounding; all probabilities are scaled together a little
    found, then, end = (np.log(after(model, text).clip(1e-12)) for text in ("", "a", "b"))
    assert found[2] == pytest.approx(np.log(start["a"]), abs=step)
    assert found[3] == pytest.approx(np.log(start["b"]), abs=step)
    assert then[3] == pytest.approx(np.log((2 - 1) / 2 + 1 / 2 * unigram["b"]), abs=step)
    assert end[SMALL.eos] == pytest.approx(np.log((3 - 1.5) / 3 + 1.5 / 3 * unigram[EOS]), abs=step)
    # What never followed b is shared like the unigrams.
    assert np.exp(end[2] - end[1]) == pytest.approx(unigram["a"] / unigram[" "], rel=2 * step)


def test_more_text_of_a_kind_and_longer_contexts_are_likelier():
    text = ("abc abc", "abc", "abc abc abc")
    assert bits_per_character(learnt(*text, order=4), ["abc abc"]) < 0.8
    assert bits_per_character(learnt(*text, order=1), ["abc abc"]) > 1.5
    heavy = [Source("x", ("aaa",), 9.0), Source("y", ("bbb",))]
    model = LanguageModel(SMALL, estimate(heavy, SMALL, 3, MANY))
    assert after(model, "")[2] > 3 * after(model, "")[3]


def test_bits_are_those_of_single_sentences():
    model = learnt("abc cab", "ab a", "b", order=4)
    sentences = ["ab", "c", "abc abc"]
    nats = -sum(model.score(SMALL.encode(text)) for text in sentences)
    assert bits_per_character(model, sentences) == pytest.approx(nats / np.log(2) / (2 + 1 + 7 + 3))


def test_pruning_keeps_every_character_and_what_matters_most():
    text = ["abcabc"] * 40 + ["cab", "b a", "ac c"]
    whole, half = learnt(*text, order=5), learnt(*text, order=5, nodes=24)
    assert len(half.trie.costs) <= 25 < len(whole.trie.costs)
    assert after(half, "ab")[4] == pytest.approx(after(whole, "ab")[4], rel=0.1)
    assert (after(half, "c c c")[1:] > 0).all()


def test_the_end_of_sentence_starts_a_new_one_and_a_blank_forgets():
    model = learnt("abc", "ab", "ca")
    states = model.advance(np.array([model.start]), np.array([2]))
    assert model.advance(states, np.array([SMALL.eos]))[0] == model.start
    assert model.advance(states, np.array([SMALL.blank]))[0] == 0
    assert model.log_probs(states)[0, SMALL.blank] == IMPOSSIBLE


@pytest.mark.parametrize(("order", "sentences"), [(0, "a"), (99, "a"), (3, "")])
def test_what_cannot_be_estimated_is_refused(order, sentences):
    with pytest.raises(ValueError, match=r"order|sentence"):
        estimate([Source("x", tuple(sentences))], SMALL, order, MANY)


def test_saved_and_loaded_it_is_the_same(tmp_path):
    model = learnt("abc abc", "a cab", order=4)
    save(model, tmp_path / "lm.safetensors", Card("lm", {}, SMALL.tokens))
    found = load(tmp_path / "lm.safetensors")
    assert found.alphabet == SMALL
    for text in ("", "a", "ab", "abcc"):
        np.testing.assert_array_equal(after(found, text), after(model, text))


def broken(name: str, change) -> Trie:
    arrays = dict(vars(learnt("abc abc", "a cab", order=4).trie))
    arrays[name] = change(arrays[name])
    return Trie(**arrays)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("characters", lambda a: a[::-1]),
        ("characters", lambda a: a + 3),
        ("characters", lambda a: a.astype(float)),
        ("costs", lambda a: a[:-1]),
        ("costs", lambda a: a.reshape(1, -1)),
        ("children", lambda a: a[::-1]),
        ("children", lambda a: np.concatenate((a, np.ones(500, a.dtype)))),
        ("children", lambda a: a[:0]),
    ],
)
def test_a_damaged_model_is_refused_in_a_sentence(tmp_path, name, change):
    path, whole = tmp_path / "lm.safetensors", learnt("abc", order=2)
    whole.trie = broken(name, change)
    save(whole, path, Card("lm", {}, SMALL.tokens))
    with pytest.raises(CheckpointError, match=r"lm\.safetensors holds no language model"):
        load(path)


def test_missing_and_foreign_files_are_refused_in_a_sentence(tmp_path):
    path = tmp_path / "lm.safetensors"
    with pytest.raises(CheckpointError, match="no language model"):
        load(path)
    path.write_bytes(b"not a model")
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        load(path)


def test_words_are_paid_with_their_first_letters():
    model = learnt("ab c", "a", order=2)
    with_bonus, without = Fusion(model, 0.5, 2.0), Fusion(model, 0.5)
    states = with_bonus.initial_state(4)
    previous = np.array([SMALL.eos, 1, 2, 4])  # start, after a space, inside words
    paid = with_bonus.gains(states, previous) - without.gains(states, previous)
    letter = [0, 0, 2, 2, 2, 0]
    np.testing.assert_allclose(paid, [letter, letter, [0] * 6, [0] * 6])
    assert Fusion.of(None, SMALL, 0.0, 1.0) is None
    with pytest.raises(CheckpointError, match="needs a language model"):
        Fusion.of(None, SMALL, 0.5, 0.0)
    with pytest.raises(CheckpointError, match="other characters"):
        Fusion.of(model, Alphabet((BLANK, "a", EOS)), 0.5, 0.0)


def unsure(*frames: dict[str, float]) -> np.ndarray:
    """CTC log-probabilities (frames, vocabulary), what is not named gets a little."""
    probs = np.full((len(frames), len(SMALL)), 1e-4)
    for row, named in zip(probs, frames, strict=True):
        for token, probability in named.items():
            row[SMALL.tokens.index(token)] = probability
    return np.log(probs / probs.sum(1, keepdims=True))


def beam(log_probs: np.ndarray, fusion: Fusion | None = None, **more) -> list[str]:
    found = ctc.prefix_beam(log_probs, 0, SMALL.eos, fusion=fusion, **more)
    return [SMALL.decode(each.tokens) for each in found]


def test_fusion_decides_what_ctc_is_unsure_of():
    heard = unsure({"a": 0.9}, {"b": 0.52, "c": 0.48}, {"a": 0.9})
    model = learnt(*["aca"] * 5, "bcb", order=3)
    assert beam(heard) == ["aba"]
    assert beam(heard, Fusion(model, 0.5)) == ["aca"]
    assert beam(heard, Fusion(model, 1e-4)) == ["aba"]


def test_fused_scores_are_ctc_plus_language_model_of_the_whole_sentence():
    rng = np.random.default_rng(4)
    heard = np.log(rng.dirichlet(np.ones(len(SMALL)), 5))
    model = learnt("ab ca", "cab", "bb", order=3)
    found = ctc.prefix_beam(
        heard, 0, SMALL.eos, beam=2000, nbest=40, fusion=Fusion(model, 0.7, 1.5)
    )
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True)
    for each in found:
        text = SMALL.decode(each.tokens)
        expected = ctc.align(heard, each.tokens).score + 0.7 * model.score(each.tokens)
        assert each.score == pytest.approx(expected + 1.5 * len(text.split()))


def test_without_weight_the_prefix_beam_is_as_without_a_model():
    heard = np.log(np.random.default_rng(0).dirichlet(np.ones(len(SMALL)), 30))
    model = learnt("ab ca", "cab", order=3)
    plain = ctc.prefix_beam(heard, 0, SMALL.eos, nbest=5)
    zero = ctc.prefix_beam(heard, 0, SMALL.eos, nbest=5, fusion=Fusion.of(model, SMALL, 0.0, 1.0))
    assert [each.tokens for each in plain] == [each.tokens for each in zero]
    assert [each.score for each in plain] == [each.score for each in zero]


def write_manifest(path, rows) -> None:
    lines = ["path\ttext\tsplit\tcorpus", *("\t".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_what_is_measured_on_is_never_learnt(tmp_path):
    write_manifest(
        tmp_path / "data.tsv",
        [
            ("1.wav", "Secret words", "dev", "x"),
            ("2.wav", "secret words", "train", "x"),
            ("3.wav", "open words", "train", "x"),
            ("4.wav", "open words", "train", "x"),
        ],
    )
    (tmp_path / "text.txt").write_text("SECRET, words!\nIt's 5 o'clock.\nMore words.\n")
    prose = "It was a\nlong day. Then\nnight\n\nSecret words. The end.\n"
    (tmp_path / "prose.txt").write_text(prose)
    found = gather_sources(
        [(tmp_path / "text.txt", 1.0), (tmp_path / "prose.txt", 0.5)],
        [(tmp_path / "data.tsv", 3.0)],
        Alphabet(),
    )
    assert [(s.name, s.sentences, s.weight) for s in found.sources] == [
        ("text.txt", ("more words",), 1.0),
        ("prose.txt", ("it was a long day", "then night", "the end"), 0.5),
        ("data.tsv", ("open words",), 3.0),
    ]
    assert found.measured == {"x": ["secret words"]}
    assert found.dropped == 3


def test_the_command_writes_a_model_that_loads(tmp_path):
    write_manifest(
        tmp_path / "data.tsv",
        [("1.wav", "an old cat", "dev", "x"), ("2.wav", "the old dog", "train", "x")],
    )
    (tmp_path / "text.txt").write_text("the cat\nan old hat\n")
    arguments = [f"{tmp_path / 'text.txt'}:2", "--manifest", str(tmp_path / "data.tsv")]
    arguments += ["--checkpoints", str(tmp_path), "--order", "4"]
    assert training.main([*arguments, "--hold-out"]) == 0
    assert not (tmp_path / "lm.safetensors").exists()
    assert training.main(arguments) == 0
    model = load(tmp_path / "lm.safetensors")
    card = json.loads((tmp_path / "lm.json").read_text())
    bits = bits_per_character(model, ["an old cat"])
    assert card["scores"] == {"x_bits": pytest.approx(bits, abs=1e-4)}
    assert [source["weight"] for source in card["training"]["sources"]] == [2.0, 1.0]


MISTAKES = {
    "missing text": (["none.txt"], "none.txt cannot be read"),
    "binary text": (["binary.txt"], "binary.txt is not UTF-8"),
    "missing manifest": (["--manifest", "none.tsv"], "no file or folder"),
    "no text": ([], "no sentence"),
    "digits alone": (["digits.txt"], "no sentence"),
    "long n-grams": (["text.txt", "--order", "99"], "the order must be 1 to"),
    "no n-grams": (["text.txt", "--nodes", "-3"], "at least 1 n-gram"),
    "nowhere": (["text.txt", "--checkpoints", "text.txt"], "text.txt"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence(mistake, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("the cat\n")
    (tmp_path / "digits.txt").write_text("1 2 3\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    arguments, message = MISTAKES[mistake]
    assert training.main(["--checkpoints", str(tmp_path), *arguments]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("language model: ")
    assert message in last
