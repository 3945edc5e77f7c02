"""What does not fit into the memory is refused before the system ends the process."""

import pytest

from app.comparison import too_large
from models import anatomy, memory
from models.decoders import transformer
from models.decoders.transformer import TransformerDecoder
from models.decoding import ctc, search
from models.decoding.search import SearchOptions, decode
from tests.support.command import run
from tests.support.search_cases import LETTERS, speech, tiny


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Writes what the system says of its memory."""
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "GROUP", tmp_path)

    def write(name: str, text: str) -> None:
        (tmp_path / name).write_text(text, encoding="ascii")

    return write


def test_the_machine_says_what_is_left(machine):
    assert memory.available_bytes() is None  # a system without these files
    machine("meminfo", "MemTotal:       8000 kB\nMemFree:  10 kB\nMemAvailable:    3000 kB\n")
    assert memory.available_bytes() == 3000 * 1024


@pytest.mark.parametrize(
    ("limit", "used", "available"),
    [("max", 500, 3_072_000), ("1000000", 700_000, 350_000), ("1000000", 2_000_000, 0)],
)
def test_a_container_may_have_less(machine, limit, used, available):
    machine("meminfo", "MemAvailable:    3000 kB\n")
    machine("memory.max", f"{limit}\n")
    machine("memory.current", f"{used}\n")
    machine("memory.stat", "anon 1\ninactive_file 50000\nactive_file 7\n")
    assert memory.available_bytes() == available


@pytest.mark.parametrize("beam", [1, 3])
def test_maps_that_will_not_fit_are_refused_while_they_grow(monkeypatch, beam):
    decoder = tiny()
    decoder.output.bias.data[LETTERS.eos] = -1e4  # never ends
    encoded, lengths, _ = speech((40,))
    row = 40 * 4  # bytes of a token's map
    options = SearchOptions(beam=beam)
    monkeypatch.setattr(search, "available_bytes", lambda: 500 * row)
    whole = decode(decoder, encoded, lengths, LETTERS, options)
    assert len(whole[0][0].tokens) == 40
    monkeypatch.setattr(search, "available_bytes", lambda: 100 * row)
    with pytest.raises(MemoryError, match=r"the maps of \d+ tokens need"):
        decode(decoder, encoded, lengths, LETTERS, options)
    monkeypatch.setattr(search, "available_bytes", lambda: None)
    assert decode(decoder, encoded, lengths, LETTERS, options)[0][0].tokens == whole[0][0].tokens


def test_a_map_of_ctc_that_will_not_fit_is_refused(monkeypatch):
    log_probs = speech((40,))[2][0].numpy()
    monkeypatch.setattr(ctc, "available_bytes", lambda: 1000)
    with pytest.raises(MemoryError, match="the maps of 10 tokens need"):
        ctc.align(log_probs, [1, 2] * 5)


def test_looking_closer_is_refused_as_well(monkeypatch):
    encoded = speech((40,))[0][0]
    monkeypatch.setattr(anatomy, "available_bytes", lambda: 1000)
    with pytest.raises(MemoryError, match="the maps of 2 tokens need"):
        anatomy.rewrite(tiny(), encoded, [1] * 40, anatomy.Change(step=30))
    monkeypatch.setattr(transformer, "available_bytes", lambda: 1000)
    decoder = TransformerDecoder(len(LETTERS), encoded.shape[1]).eval()
    with pytest.raises(MemoryError, match="all maps of 5 tokens need"):
        decoder.attention_maps(encoded, [1] * 5)
    monkeypatch.setattr(transformer, "available_bytes", lambda: 100_000)
    assert decoder.attention_maps(encoded, [1] * 5, most_frames=39).encoder is None
    with pytest.raises(MemoryError, match="need"):  # the encoder's: 40 rows, not 5
        decoder.attention_maps(encoded, [1] * 5)


@pytest.mark.usefixtures("use_checkpoints")
def test_a_variant_that_does_not_fit_does_not_stop_the_others(capsys, clip, monkeypatch):
    monkeypatch.setattr(search, "available_bytes", lambda: 1000)
    status, out, err = run(capsys, "compare", clip, "--variants", "dot,ctc")
    assert status == 1
    assert too_large("dot", 0.8)[:40] in err
    assert "\nctc " in out  # it does not search
    assert "\ndot " not in out
