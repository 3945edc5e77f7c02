"""The alignment contract: what comes in is checked, what goes out comes back."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.alignment import Alignment, AlignmentError
from analysis.io.archive import MAX_CELLS


def even(*shape):
    """Weights of the given shape whose rows sum to one."""
    return np.full(shape, 1 / shape[-1], np.float32)


def archive(**arrays):
    """An .npz file of raw arrays, with no check of ours in between."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def valid(**changes):
    """A valid file's arrays, some of them replaced; None leaves one out."""
    arrays = {"weights": even(3, 5), "tokens": np.array(list("abc")), "frame_seconds": 0.04}
    return {name: value for name, value in (arrays | changes).items() if value is not None}


def one_row(*weights):
    return {"weights": np.array([weights]), "tokens": np.array(["a"])}


REFUSED = [
    ("no weights", valid(weights=None), "weights:"),
    ("no tokens", valid(tokens=None), "tokens:"),
    ("no frame length", valid(frame_seconds=None), "frame_seconds:"),
    ("one dimension", valid(weights=np.ones(3) / 3), "weights: 2 to 4 dimensions"),
    ("five dimensions", valid(weights=even(1, 1, 1, 3, 5)), "weights: 2 to 4 dimensions"),
    ("no frames", valid(weights=np.ones((3, 0))), "weights:.*no cells"),
    ("no heads", valid(weights=np.ones((0, 3, 5))), "weights:.*no cells"),
    ("complex", valid(weights=even(3, 5) + 0j), "weights: real numbers"),
    ("texts", valid(weights=np.array([["a"] * 5] * 3)), "weights: real numbers"),
    ("records", valid(weights=np.zeros((3, 5), [("x", "f4")])), "weights: real numbers"),
    ("NaN", valid(**one_row(0.5, np.nan, 0.5)), "weights: frame 1 of row 0 .*not a finite"),
    ("infinite", valid(**one_row(0.5, 0.5, np.inf)), "weights: frame 2 of row 0 .*not a finite"),
    ("negative", valid(**one_row(0.5, -0.1, 0.6)), "weights: frame 1 of row 0 .*negative"),
    ("negative integers", valid(**one_row(2, -1, 0)), "weights: frame 1 .*negative"),
    ("zero row", valid(**one_row(0.0, 0.0)), "weights: row 0 .*all zeros"),
    ("row sums to 0.9", valid(**one_row(0.5, 0.4)), "weights: row 0 .*0.9 instead of 1"),
    ("huge", valid(**one_row(1e308, 1e308)), "weights: row 0 .*infinity"),
    ("too few tokens", valid(tokens=np.array(["a", "b"])), "tokens: .*2 tokens for 3 rows"),
    ("tokens in a square", valid(tokens=np.array([["a"] * 3])), "tokens: a row of texts"),
    ("tokens as bytes", valid(tokens=np.array([b"a", b"b", b"c"])), "tokens: a row of texts"),
    ("tokens as numbers", valid(tokens=np.arange(3)), "tokens: a row of texts"),
    ("frame of no length", valid(frame_seconds=0.0), "frame_seconds: a number from"),
    ("frame of negative length", valid(frame_seconds=-0.04), "frame_seconds: a number from"),
    ("endless frame", valid(frame_seconds=np.inf), "frame_seconds: a number from"),
    ("NaN frame", valid(frame_seconds=np.nan), "frame_seconds: a number from"),
    ("many frame lengths", valid(frame_seconds=np.ones(2)), "frame_seconds: one number"),
    ("frame length as text", valid(frame_seconds="0.04"), "frame_seconds: one number"),
    ("frames beyond counting", valid(frame_seconds=1e-9), "frame_seconds: a number from 0.001"),
    ("frames of days", valid(frame_seconds=1e6), "frame_seconds: a number from"),
    ("start in another year", valid(start_seconds=-1e9), "start_seconds: a number from"),
    ("endless start", valid(start_seconds=np.inf), "start_seconds: a number from"),
    ("short speech", valid(speech=np.ones(4, bool)), r"speech: .*\(4,\).*5 frames"),
    ("square speech", valid(speech=np.ones((1, 5), bool)), "speech: the shape"),
    ("graded speech", valid(speech=np.full(5, 0.5)), "speech: true or false"),
    ("speech of twos", valid(speech=np.full(5, 2)), "speech: true or false"),
    ("ended as text", valid(ended="yes"), "ended: true or false"),
    ("ended twice", valid(ended=np.array([True, False])), "ended: true or false"),
    ("text as number", valid(text=np.float64(3)), "text: one text"),
    ("two references", valid(reference=np.array(["a", "b"])), "reference: one text"),
]


@pytest.mark.parametrize(("name", "arrays", "message"), REFUSED, ids=[case[0] for case in REFUSED])
def test_what_is_wrong_is_refused_naming_the_array(name, arrays, message):
    with pytest.raises(AlignmentError, match=message):
        Alignment.load(archive(**arrays))


def test_heads_and_layers_are_named_in_errors():
    weights = even(2, 3, 4, 5).copy()
    weights[1, 2, 3] *= 0.5
    with pytest.raises(AlignmentError, match=r"row 3 \('d'\) of layer 1, head 2 sums to 0.5"):
        Alignment.from_arrays(weights, list("abcd"), 0.04)


@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 5), (4, 2, 3, 5), (1, 1, 3, 5)])
def test_weights_are_always_four_dimensional_inside(shape):
    alignment = Alignment.from_arrays(even(*shape), list("abc"), 0.04)
    assert alignment.weights.shape == (1,) * (4 - len(shape)) + shape
    assert alignment.weights.dtype == np.float32
    layers, heads, _, frames = alignment.weights.shape
    assert (alignment.layers, alignment.heads, alignment.frames) == (layers, heads, frames)
    assert alignment.seconds == pytest.approx(0.2)


def test_the_map_is_the_mean_over_layers_and_heads():
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(7), (2, 3, 4))
    alignment = Alignment.from_arrays(weights, list("abcd"), 0.04)
    np.testing.assert_allclose(alignment.map, weights.mean(axis=(0, 1)), rtol=1e-5)
    np.testing.assert_allclose(alignment.head(1, 2).map, weights[1, 2], rtol=1e-5)
    assert alignment.head(1, 2).weights.shape == (1, 1, 4, 7)


def test_the_callers_array_is_neither_changed_nor_shared():
    weights = even(3, 5).copy()
    alignment = Alignment.from_arrays(weights, list("abc"), 0.04)
    weights[0, 0] = 7
    assert alignment.weights.max() < 1
    assert weights.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        alignment.weights[0, 0, 0, 0] = 1


def test_renormalise_accepts_rows_of_any_sum_but_zero():
    weights = np.array([[2.0, 6.0], [0.1, 0.1]])
    alignment = Alignment.from_arrays(weights, list("ab"), 0.04, renormalise=True)
    np.testing.assert_allclose(alignment.map, [[0.25, 0.75], [0.5, 0.5]])
    assert Alignment.load(archive(**valid(weights=3 * even(3, 5))), renormalise=True).frames == 5
    with pytest.raises(AlignmentError, match="all zeros"):
        Alignment.from_arrays(np.zeros((2, 2)), list("ab"), 0.04, renormalise=True)


def test_rows_within_the_tolerance_are_taken_as_they_are():
    weights = even(3, 5) * np.array([[1.0009], [0.9991], [1.0]])
    alignment = Alignment.from_arrays(weights, list("abc"), 0.04)
    np.testing.assert_allclose(alignment.weights[0, 0], weights, rtol=1e-6)
    np.testing.assert_allclose(alignment.map.sum(axis=1), 1, rtol=1e-6)


def test_one_hot_integers_are_weights():
    alignment = Alignment.from_arrays(np.eye(3, dtype=int), list("abc"), 0.04)
    np.testing.assert_array_equal(alignment.map, np.eye(3))


def test_nothing_decoded_is_an_alignment_too():
    file = io.BytesIO()
    Alignment.from_arrays(np.zeros((0, 5)), [], 0.04, text="").save(file)
    file.seek(0)
    empty = Alignment.load(file)
    assert empty.map.shape == (0, 5)
    assert empty.tokens == ()
    assert empty.text == ""


@st.composite
def alignments(draw):
    dims = draw(st.integers(2, 4))
    sizes = draw(st.lists(st.integers(1, 4), min_size=dims, max_size=dims))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    texts = st.text(max_size=8).filter(lambda text: not text.endswith("\0"))
    tokens = draw(st.lists(texts, min_size=sizes[-2], max_size=sizes[-2]))
    return Alignment.from_arrays(
        rng.dirichlet(np.ones(sizes[-1]), sizes[:-1]),
        tokens,
        draw(st.floats(0.001, 1)),
        start_seconds=draw(st.floats(-100, 100)),
        speech=draw(st.none() | st.just(rng.random(sizes[-1]) < 0.5)),
        ended=draw(st.none() | st.booleans()),
        text=draw(st.none() | texts),
        reference=draw(st.none() | texts),
        variant=draw(st.none() | texts),
    )


@given(alignments())
@settings(max_examples=30)
def test_what_is_saved_comes_back(alignment):
    file = io.BytesIO()
    alignment.save(file)
    again = Alignment.load(file.getvalue())
    np.testing.assert_array_equal(again.weights, alignment.weights)
    for name in ("tokens", "frame_seconds", "start_seconds", "ended", "text", "reference"):
        assert getattr(again, name) == getattr(alignment, name)
    assert again.variant == alignment.variant
    assert again.dims == alignment.dims
    assert (again.speech is None) == (alignment.speech is None)
    if again.speech is not None:
        np.testing.assert_array_equal(again.speech, alignment.speech)


def test_a_saved_file_has_the_documented_arrays(tmp_path):
    path = tmp_path / "a.alignment"  # np.savez would append .npz
    Alignment.from_arrays(even(2, 3, 5), list("abc"), 0.04, ended=True).save(path)
    with np.load(path, allow_pickle=False) as file:
        assert set(file.files) == {"weights", "tokens", "frame_seconds", "start_seconds", "ended"}
        assert file["weights"].shape == (2, 3, 5)
        assert file["tokens"].dtype.kind == "U"
        assert file["frame_seconds"].shape == ()
    assert Alignment.load(path).heads == 2
    assert Alignment.load(str(path)).heads == 2


class Bomb:
    """Unpickling this would raise."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


@pytest.mark.parametrize("name", ["weights", "tokens", "text", "speech"])
def test_pickles_are_never_opened(name):
    arrays = valid(**{name: np.array([Bomb()], dtype=object)})
    with pytest.raises(AlignmentError, match=f"{name}: .*never unpickled"):
        Alignment.load(archive(**arrays))
    with pytest.raises(AlignmentError, match="not a NumPy"):
        Alignment.load(pickle.dumps(Bomb()))


def test_arrays_of_other_names_are_not_even_looked_at():
    extra = np.array([Bomb()], dtype=object)
    assert Alignment.load(archive(**valid(), notes=extra)).frames == 5


def header_only(shape, kind="<f4"):
    """A file whose weights claim a shape that their few bytes do not have."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": kind, "fortran_order": False, "shape": shape}
    )
    return with_member("weights.npy", file.getvalue() + bytes(64))


def with_member(name, content):
    file = io.BytesIO(archive(**valid(weights=None)))
    with zipfile.ZipFile(file, "a") as zipped:
        zipped.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((MAX_CELLS + 1, 1), "weights: .*more than the 200 million"),
        ((2**40, 2**40), "weights: .*more than the 200 million"),
        ((1000, 1000), "weights: .*cut short"),
        ((-1, 5), "weights: .*damaged"),
    ],
)
def test_sizes_are_checked_before_memory_is_asked_for(shape, message):
    with pytest.raises(AlignmentError, match=message):
        Alignment.load(header_only(shape))


def test_files_that_are_no_archives_get_one_sentence(tmp_path):
    for content in (b"", b"RIFF", b"PK\x03\x04", b"\x93NUMPY" + bytes(100), bytes(1000)):
        with pytest.raises(AlignmentError, match=r"not a NumPy \.npz archive"):
            Alignment.load(content)
    with pytest.raises(AlignmentError, match="no such file"):
        Alignment.load(tmp_path / "missing.npz")
    with pytest.raises(AlignmentError, match="cannot be read"):
        Alignment.load(tmp_path)


def is_valid_or_one_sentence(content):
    """Loading either works or raises AlignmentError with one line; anything else goes through."""
    try:
        return bool(np.isfinite(Alignment.load(content).weights).all())
    except AlignmentError as error:
        return len(str(error).splitlines()) == 1


@given(
    position=st.integers(0, 10_000),
    replacement=st.binary(min_size=1, max_size=6),
    cut=st.none() | st.integers(0, 10_000),
)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_files_raise_nothing_but_alignment_errors(position, replacement, cut):
    content = bytearray(archive(**valid(ended=True, text="abc", speech=np.ones(5, bool))))
    position %= len(content)
    content[position : position + len(replacement)] = replacement
    if cut is not None:
        content = content[: cut % len(content)]
    assert is_valid_or_one_sentence(bytes(content))


@given(st.binary(max_size=200))
@settings(max_examples=100)
def test_damaged_headers_with_a_right_checksum_raise_nothing_else(noise):
    file = io.BytesIO()
    np.save(file, even(3, 5))
    content = bytearray(file.getvalue())
    content[6 : 6 + len(noise)] = noise
    assert is_valid_or_one_sentence(with_member("weights.npy", bytes(content)))


@pytest.mark.parametrize(
    ("weights", "tokens", "message"),
    [
        ([[0.5, 0.5], [1.0]], ["a", "b"], "weights: this is not a regular array"),
        (even(3, 5), "abc", "tokens: give a list"),
        (even(3, 5), ["a", 1, "c"], "tokens: every token"),
    ],
)
def test_lists_from_other_toolkits_are_checked_as_well(weights, tokens, message):
    with pytest.raises(AlignmentError, match=message):
        Alignment.from_arrays(weights, tokens, 0.04)


def test_a_peak_is_the_middle_of_the_frame_with_most_of_the_mean_over_heads():
    heads = [[[0.6, 0.4, 0.0], [0.0, 0.0, 1.0]], [[0.2, 0.8, 0.0], [0.0, 0.0, 1.0]]]
    found = Alignment.from_arrays(heads, ["a", "b"], 0.04, start_seconds=1.0).peak_seconds
    assert found == pytest.approx([1.06, 1.1])
    assert Alignment.from_arrays(np.zeros((0, 5)), [], 0.04).peak_seconds.shape == (0,)


def test_silence_that_nobody_listens_to_at_the_end_is_padding():
    weights = np.zeros((2, 6))
    weights[:, 1:3] = 0.5
    speech = np.array([1, 1, 1, 0, 0, 0], bool)
    assert Alignment.from_arrays(weights, ["a", "b"], 0.04, speech=speech).valid_frames == 3
    assert Alignment.from_arrays(weights, ["a", "b"], 0.04).valid_frames == 6
