"""TOML as cargo takes it, which is newer than what Python reads."""

import pytest

from freshwheel.sources import project


def test_an_inline_table_over_several_lines():
    """With comments, a comma at its end, and lists and tables in it."""
    text = """
[dependencies]
word = { # {
  path = "../word", # "}
  features = [
    "a", # ,}
    'b',
  ],
  more = { x = 1, },
}
other = "1"
"""
    word = {"path": "../word", "features": ["a", "b"], "more": {"x": 1}}
    assert project.manifest(text) == {"dependencies": {"word": word, "other": "1"}}


def test_strings_stay_as_they_are():
    """Whatever stands in them, of each of the four kinds."""
    text = r'''
new = { a = 1, }
basic = "{ #,} \" \\e"
literal = '{ #,} " \e'
long = """
{ #,}
"quoted""""
raw = '''
    text += "'''\n{ #,}\n'quoted''''\n"
    found = project.manifest(text)
    assert found["basic"] == '{ #,} " \\e'
    assert found["literal"] == '{ #,} " \\e'
    assert found["long"] == '{ #,}\n"quoted"'
    assert found["raw"] == "{ #,}\n'quoted'"


@pytest.mark.parametrize("text", ["a = ", "a = {", "a = [1,", "a = '", "[a", "a = { b = 1 ; }", 'a = "\\q"', "a = {}}"])
def test_what_is_no_toml(text):
    """It is refused, as before."""
    with pytest.raises(ValueError, match=r"\(at "):
        project.manifest(text)
