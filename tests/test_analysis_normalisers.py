"""Normalisers: tables of cases, letters of many scripts, and what must hold for any text."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whisper_normalizer.english import EnglishTextNormalizer

from analysis.scoring.american_spelling import american
from analysis.scoring.errors import score
from analysis.scoring.marks import without_marks
from analysis.scoring.normalisers import NORMALISERS, described, normalise

NONE = [
    ("  Hello,   World! ", "Hello, World!"),
    ("Don’t", "Don’t"),
    ("ÉTÉ Ünïcode “да” 20 %", "ÉTÉ Ünïcode “да” 20 %"),
    ("tab\tand\nline", "tab and line"),
    ("ＡＢＣ ﬁ ½", "ＡＢＣ ﬁ ½"),
]

BASIC = [
    ("Hello, World!", "hello world"),
    ("Don’t   STOP", "don't stop"),
    ("'tis the boys' 'own'", "tis the boys own"),
    ("well-known: 3.5%", "well known 3 5"),
    ("", ""),
    ("?!", ""),
    ("Ünïcode ÉTÉ übermäßig", "ünïcode été übermäßig"),
    ("cafe\u0301", "café"),
    ("ＡＢＣ ﬁne", "abc fine"),  # full-width letters and ligatures
    ("co\u00adoperate", "cooperate"),  # soft hyphen
    ("\ufeffstart", "start"),  # byte order mark
    ("да, НЕТ!", "да нет"),
    ("ΟΔΟΣ", "οδος"),
    ("हिन्दी, है।", "हिन्दी है"),  # vowel signs and virama belong to the word
    ("สวัสดี", unicodedata.normalize("NFKC", "สวัสดี")),
    ("مرحبا، كيف؟", "مرحبا كيف"),
    ("می\u200cخواهم", "میخواهم"),  # zero-width non-joiner inside a word
    ("שלום!", "שלום"),
    ("日本語。", "日本語"),
    ("l'été d'Œuvre", "l'été d'œuvre"),
    ("okʻina ʼtis", "okʻina tis"),
    ("it‛s o′clock", "it's o'clock"),
    ("a\u034f\ufe0fb \u3164 c\u2060d", "ab cd"),  # joiners and fillers that are letters or accents
    ("2½ and ½", "2 1 2 and 1 2"),  # not 21/2
    ("İSTANBUL'DA IŞIK", "istanbul'da ışık"),  # Turkish capitals
    ("I\u0307stanbul i\u0307stanbul", "istanbul istanbul"),  # as other programs leave it
    ("I like İzmir, IT likes Diyarbakır", "i like izmir ıt likes diyarbakır"),
    ("IT IS I", "it is i"),
]

MARKS = [  # text, the words that were said
    ("[noise] yes <unk> no [unk]", "yes no"),
    ("<NOISE> a <spoken_noise> b <s> c </s> d <|en|>", "a b c d"),
    ("{cough} a {NOISE} b", "a b"),
    ("[[previous word mispronounced]] a [background noise] b", "a b"),
    ("[laughter-yeah] th[at]- [vocalized-noise]", "yeah th"),  # Switchboard
    ("((guessed words)) a (( )) b", "guessed words a b"),  # LDC
    ("(laughter) a (upbeat music) b (pause 0.3) c (笑)", "a b c"),
    ("a (and that was said) b (so) c", "a and that was said b so c"),
    ("*laughs* a *really* b *clears throat*", "a really b"),
    ("++NOISE++ a !SIL b &=laughs c", "a b c"),  # Sphinx, Kaldi, CHAT
    ("read(2) the word(10)", "read the word"),  # pronunciations, TED-LIUM
    ("[Music] a［雑音］b【拍手】c＜unk＞", "a b c"),
    ("a < b and c > d [open", "a b and c d open"),
    ("♪ a ♪", "a"),
]

ENGLISH = [
    # contractions
    ("I can't, won't and shouldn't", "i can not will not and should not"),
    ("They're sure we've heard I'm he'll", "they are sure we have heard i am he will"),
    ("they'd go, shan't they", "they would go shall not they"),
    ("it's John's", "it is john's"),
    ("he's been, she's here, what's that", "he has been she is here what is that"),
    ("let's go, y'all, ma'am", "let us go you all madam"),
    ("gonna wanna gotta", "going to want to got to"),
    ("rock 'n' roll, O'Neill, five o'clock", "rock n roll o'neill five o'clock"),
    # titles, signs, fillers
    ("Mr. and Mrs. Fox & Dr. Owl", "mister and missus fox and doctor owl"),
    ("um, uh I think, hmm", "i think"),
    ("50%", "fifty percent"),
    # numbers
    ("0 7 12 20 21 99", "zero seven twelve twenty twenty one ninety nine"),
    ("100 115 999", "one hundred one hundred fifteen nine hundred ninety nine"),
    ("1,234 and 50000", "one thousand two hundred thirty four and fifty thousand"),
    ("10,234", "ten thousand two hundred thirty four"),
    ("1234567", "one million two hundred thirty four thousand five hundred sixty seven"),
    ("two hundred and five, one thousand and one", "two hundred five one thousand one"),
    ("one hundred and a half", "one hundred point five"),
    ("3.5 and 0.05", "three point five and zero point zero five"),
    ("1.2.3 at 10:30", "one two three at ten thirty"),
    ("1,2,3", "one two three"),
    ("1st 2nd 3rd 4th 12th", "first second third fourth twelfth"),
    ("21st 100th 80th", "twenty first one hundredth eightieth"),
    ("1995, 1900, 1905", "nineteen ninety five nineteen hundred nineteen oh five"),
    ("2005 and 2010", "two thousand five and twenty ten"),
    ("the 1980s, the 80's", "the nineteen eighties the eighties"),
    ("007 and 1234567890 and 4x4", "007 and 1234567890 and 4x4"),
    ("$20, $1, £7", "twenty dollars one dollar seven pounds"),
    (
        "$1,250, $1.25 and 1,250.5",
        "one thousand two hundred fifty dollars one dollar and twenty "
        "five cents and one thousand two hundred fifty point five",
    ),
    ("$3.50, €2.5 million", "three dollars and fifty cents two point five million euros"),
    # fractions
    ("2½, 2 1/2 and two and a half", "two point five two point five and two point five"),
    ("½ a cup, 1/2, a half, half", "one half a cup one half one half half"),
    ("¾ 3/4 2/3 5/8", "three quarters three quarters two thirds five eighths"),
    ("1¼ and one and a quarter", "one and one quarter and one and one quarter"),
    ("9/11, 24/7, 1/2/2020", "nine eleven twenty four seven one two twenty twenty"),
    # times of day
    ("10:30, half past ten", "ten thirty ten thirty"),
    ("10:05 10:00 16:45", "ten oh five ten o'clock sixteen forty five"),
    ("at 9:00 a.m. or 7 PM, 12:30pm", "at nine a m or seven p m twelve thirty p m"),
    ("a quarter past two, a quarter to one", "two fifteen twelve forty five"),
    ("seven am, I am", "seven a m i am"),
    # signs that are marks, not words
    ("%uh yes, &Name AT&T 5 per cent", "yes name at and t five percent"),
    # spelling
    ("The colourful neighbour organised travelling", "the colorful neighbor organized traveling"),
    ("Kilometres from the theatre's centre", "kilometers from the theatre's center"),
]


@pytest.mark.parametrize(
    ("normalizer", "text", "expected"),
    [("none", *case) for case in NONE]
    + [("basic", *case) for case in BASIC]
    + [("english", *case) for case in ENGLISH]
    + [("basic", *case) for case in MARKS],
)
def test_normalisers(normalizer, text, expected):
    assert normalise(text, normalizer) == expected


@pytest.mark.parametrize("text", [text for text, _ in MARKS])
def test_marks_count_as_words_where_they_are_to_be_kept(text):
    kept = normalise(text, "basic-with-marks").split()
    assert set(normalise(text, "basic").split()) <= {*kept, "th", "yeah"}
    assert normalise(without_marks(text), "basic-with-marks") == normalise(text, "basic")
    assert normalise("[noise] <unk> I can't", "english-with-marks") == "noise unk i can not"
    assert normalise("[noise] <unk> I can't", "none") == "[noise] <unk> I can't"


def test_marks_change_no_error_rate():
    said, heard = "the old man walked down", "the old men walk down"
    plain = score(said, heard, "english")
    marked = score("[noise] the old man {cough} walked <unk> down (laughter)", heard, "english")
    assert (plain.words, plain.characters) == (marked.words, marked.characters)
    assert described(plain.normalizer) == "“english”, marks left out"
    assert score("[noise] a", "a", "basic-with-marks").wer == 0.5
    assert described("basic-with-marks") == "“basic-with-marks”, marks counted"


WHISPER = (
    "[Music] Mr. Park visited for five-hundred twenty-one dollars (laughter), um, and fifty cents.",
    "She's gonna pay $20 million in the 1990s; that’s 2 1/2 of colour TVs… <unk>",
    "I’d've said half past ten, 10:30 a.m., two and a half",
    "",
)


@pytest.mark.parametrize("text", WHISPER)
def test_whisper_english_is_what_its_package_makes(text):
    assert normalise(text, "whisper-english") == EnglishTextNormalizer()(text).strip()
    assert "whisper-english" in NORMALISERS


@pytest.mark.parametrize(
    ("british", "expected"),
    [
        ("favourite", "favorite"),
        ("dishonourable", "dishonorable"),
        ("labourers", "laborers"),
        ("realise", "realize"),
        ("organisations", "organizations"),
        ("analysed", "analyzed"),
        ("paralysing", "paralyzing"),
        ("litres", "liters"),
        ("centred", "centered"),
        ("modelled", "modeled"),
        ("marvellous", "marvelous"),
        ("dialogues", "dialogs"),
        ("fulfilment", "fulfillment"),
        ("wilfully", "willfully"),
        ("anaemic", "anemic"),
        ("sceptical", "skeptical"),
        ("ploughing", "plowing"),
        ("judgement", "judgment"),
        ("programmes", "programs"),
    ],
)
def test_british_words_become_american(british, expected):
    assert american(british) == expected
    assert american(expected) == expected


SAME_EVERYWHERE = (
    "four hour our your pour tour flour contour velour detour glamorous "
    "wise rise raise praise noise poise promise premise exercise advise surprised revising "
    "supervisor disguise cruise bruised enterprise paradise merchandise franchise precise concise "
    "this is his visit listing analysis basis crisis thesis "
    "acre here there were are more score hatred tired "
    "controlled rolling fulfill called filling tell totally equally small "
    "fence sentence would could should shoulder monologuist blue"
)


@pytest.mark.parametrize("word", SAME_EVERYWHERE.split())
def test_words_spelled_alike_everywhere_stay(word):
    assert american(word) == word


OURS = [name for name in NORMALISERS if name != "whisper-english"]  # which changes some twice


@given(st.text(max_size=40), st.sampled_from(OURS))
@settings(max_examples=100)
def test_a_normalised_text_stays_as_it_is(text, normalizer):
    once = normalise(text, normalizer)
    assert normalise(once, normalizer) == once
    assert once == " ".join(once.split())


MOSTLY = st.text(st.sampled_from("aeimpst'’ ,.$%&0123459-/:½(<[>])"), max_size=30)


@given(MOSTLY)
@settings(max_examples=100)
def test_english_of_numbers_and_signs_stays_as_it_is(text):
    once = normalise(text, "english")
    assert normalise(once, "english") == once


APOSTROPHES = "\u02bc"  # a letter by its category
FILLERS = "\u115f\u1160\u3164\uffa0"  # letters by their category, but invisible


@given(st.text(st.characters(categories=["L"]), min_size=1, max_size=30))
@settings(max_examples=100)
def test_letters_of_every_script_survive(text):
    assert normalise(text, "none") == " ".join(text.split())
    if "İ" in text or "ı" in text:  # which tell what I is
        return
    letters = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())
    left_out = APOSTROPHES + FILLERS
    wanted = [c for c in letters if unicodedata.category(c)[0] == "L" and c not in left_out]
    found = [c for c in normalise(text, "basic") if unicodedata.category(c)[0] == "L"]
    assert found == wanted


@given(st.integers(0, 999_999_999))
@settings(max_examples=100)
def test_numbers_with_commas_and_in_words_are_the_same(value):
    if 1100 <= value <= 2099:  # read as years
        return
    written, read = f"{value:,}", normalise(f"{value}", "english")
    assert normalise(written, "english") == read
    assert not any(character.isdigit() for character in read)


def test_an_unknown_normaliser_is_named():
    with pytest.raises(ValueError, match="no normaliser 'whisper'"):
        normalise("a", "whisper")
    with pytest.raises(ValueError, match="known: none, basic, english"):
        score("a", "a", "")
