"""British spellings as Americans write them, so that the same word is not counted as an error.

Families of words are told by their endings or by short lists of stems. Where a rule would reach a
word that is spelled alike everywhere, the result may look odd ("expertize"), which does no harm as
both texts go through it, as long as no two different words become one.
"""

import re

_OUR = (
    "arb|ard|arm|behavi|cand|clam|col|demean|enam|endeav|fav|ferv|flav|glam|harb|hon|hum|lab|neighb"
    "|od|parl|ranc|rig|rum|savi|sav|splend|succ|tum|val|vap|vig"
)
_RE = "calib|cent|fib|lit|lust|meag|met|mit|och|sab|scept|sepulch|somb|spect|theat"
_DOUBLED = (
    "cancel|channel|counsel|dial|duel|equal|fuel|initial|jewel|label|level|libel|marshal|marvel"
    "|model|panel|pedal|quarrel|rival|shovel|signal|snorkel|spiral|swivel|total|towel|travel|tunnel"
    "|unravel"
)
_RULES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (rf"^((?:dis|mis|un)?(?:{_OUR}))our", r"\1or"),
        (rf"^((?:kilo|centi|milli|amphi|epi)?(?:{_RE}))re(s?)$", r"\1er\2"),
        (rf"^((?:epi)?(?:{_RE}))red$", r"\1ered"),
        (rf"^({_DOUBLED})l(ed|ing|er|ers|or|ors|ous|ously)$", r"\1\2"),
        (r"^((?:ana|cata|dia|epi|mono|pro|trave)log)ue(s|d)?$", r"\1\2"),
        (r"^((?:anal|paral|catal|electrol|hydrol|dial)y)s(ed?|es|ers?|ing)$", r"\1z\2"),
        (r"^(enrol|fulfil|distil|appal|enthral|instil)(s|ment|ments)?$", r"\1l\2"),
        (r"^(ski|wi)lful", r"\1llful"),
        (r"^(an|leuk)aem", r"\1em"),
        (r"^(m|sm)ould(s|y|er|ers|ed|ing|ering|ered)?$", r"\1old\2"),
        (r"^scepti(c|cs|cal|cally|cism)$", r"skepti\1"),
        (r"^plough", "plow"),
        (r"^grey", "gray"),
        (r"^(acknowledg|judg)ement", r"\1ment"),
    )
)
_WORDS = {
    "ageing": "aging", "anaesthetic": "anesthetic", "anaesthesia": "anesthesia", "cosy": "cozy",
    "defence": "defense", "defences": "defenses", "draught": "draft", "draughts": "drafts",
    "diarrhoea": "diarrhea", "encyclopaedia": "encyclopedia", "foetus": "fetus", "foetal": "fetal",
    "gaol": "jail", "haemorrhage": "hemorrhage", "instalment": "installment",
    "instalments": "installments", "jewellery": "jewelry", "kerb": "curb", "licence": "license",
    "licences": "licenses", "manoeuvre": "maneuver", "manoeuvres": "maneuvers",
    "manoeuvred": "maneuvered", "manoeuvring": "maneuvering", "moustache": "mustache",
    "moustaches": "mustaches", "oestrogen": "estrogen", "offence": "offense",
    "offences": "offenses", "ok": "okay", "paediatric": "pediatric",
    "paediatrician": "pediatrician", "practise": "practice", "practised": "practiced",
    "practises": "practices", "practising": "practicing", "pretence": "pretense",
    "programme": "program", "programmes": "programs", "pyjamas": "pajamas", "tyre": "tire",
    "tyres": "tires",
}  # fmt: skip
_VERB = re.compile(r"^(\w{3,}?)is(e|ed|es|er|ers|ing|ingly|ation|ations|ational|able)$")
# stems before "-ise" of words that are spelled so everywhere
_ALWAYS_S = re.compile(
    r"(a|o|u|v|w|pr|advert|circumc|conc|dem|desp|exc|exerc|expert|franch|inc|merchand|mort|parad"
    r"|prec|prem|prom|sunr|surm|treat)$"
)


def american(word: str) -> str:
    """The American spelling of a lower-case word; words that are no British spelling stay.

    Examples
    --------
    >>> [american(w) for w in ("colourful", "organised", "promised", "theatre", "four")]
    ['colorful', 'organized', 'promised', 'theater', 'four']
    """
    if word in _WORDS:
        return _WORDS[word]
    verb = _VERB.match(word)
    if verb and not _ALWAYS_S.search(verb[1]):
        word = f"{verb[1]}iz{verb[2]}"
    for pattern, replacement in _RULES:
        word = pattern.sub(replacement, word)
    return word
