#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whether a report's page is sound: the reference for models/report.

    page.py PAGE [JSON [KEY ...]]

The page must be well-formed XML and HTML, with every element closed; fetch nothing and run
nothing; hold no figure twice. Each number of the JSON object must stand in the element whose
data-figure is its key (those of an object inside it: OUTER.KEY), rounded as shown there; each KEY
must be there, too. Prints what is wrong; exit 1 if anything is.
"""
import html.parser
import json
import sys
import xml.etree.ElementTree

FETCHING = {"script", "link", "img", "iframe", "object", "embed", "image", "use", "video", "audio"}
VOID = {"meta", "br"}


class Reader(html.parser.HTMLParser):
    """The figures by key, and what is wrong."""

    def __init__(self):
        super().__init__()
        self.open, self.figures, self.wrong, self.key = [], {}, [], None

    def handle_starttag(self, tag, attrs):
        if tag in FETCHING:
            self.wrong.append(f"<{tag}>")
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") or name.startswith("on"):
                self.wrong.append(f"{tag} {name}={value}")
            if name == "data-figure":
                if value in self.figures:
                    self.wrong.append(f"{value} is there twice")
                self.key = value
                self.figures[value] = ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        self.key = None
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")

    def handle_data(self, data):
        if self.key:
            self.figures[self.key] += data


def numbers(value, prefix=""):
    """(key, number) of everything in a JSON object."""
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from numbers(inner, f"{prefix}{name}.")
        elif isinstance(inner, (int, float)) and not isinstance(inner, bool):
            yield prefix + name, inner


def check_figure(figures, key, value):
    if key not in figures:
        return [f"no figure {key}"]
    digits = len(figures[key].partition(".")[2])
    # what is compared was itself rounded to 6 digits
    if abs(float(figures[key]) - value) > 0.5 * 10 ** -digits + 1e-6:
        return [f"{key}: the page has {figures[key]}, --json {value}"]
    return []


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    wrong = []
    try:
        xml.etree.ElementTree.fromstring(text)
    except xml.etree.ElementTree.ParseError as error:
        wrong.append(f"not well-formed: {error}")
    reader = Reader()
    reader.feed(text)
    reader.close()
    wrong += reader.wrong + [f"<{tag}> is not closed" for tag in reader.open]
    wrong += [f"{word} in it" for word in ("http", "url(", "@import", "//") if word in text.lower()]
    if len(sys.argv) > 2:
        with open(sys.argv[2], encoding="utf-8") as file:
            said = json.load(file)
        for key, value in numbers(said):
            if key != "k":  # the largest of the lengths, which are column heads
                wrong += check_figure(reader.figures, key, value)
        wrong += [f"no figure {key}" for key in sys.argv[3:] if key not in reader.figures]
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
