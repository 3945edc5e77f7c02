"""Controls that pages share, each with help; what they say survives a change of page.

Streamlit keeps the values: every shared control has ``persist_state="session"``, and controls of
the same key on several pages show one value. A page gives a key its first value, from the address,
with `initial` before the control is drawn.

The address is written by `app.links`, not by Streamlit's ``bind="query-params"``. That would name
every parameter as its control, write a choice of several as repeated parameters
(``variants=a&variants=b``), drop ``variants=a,b`` of older links without a word, and could not
leave out what an upload must not reveal, join the choices of all families into one parameter, or
hold a parameter that no control has (a step, a recording of a run).
"""
