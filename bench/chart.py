# SPDX-License-Identifier: MIT
"""Line charts as SVG text: small panels side by side, logarithmic axes, every line named at its end.

    write(path, title, [Panel("latency over items", "items", [Line("p50", [(10000, 45.1), ...])])])

Values are microseconds above 0. Nothing but the standard library, so that a benchmark can draw
wherever it runs.
"""

import dataclasses
import math
import xml.sax.saxutils

WIDTH, HEIGHT = 460, 320  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 62, 96, 44, 46
COLUMNS = 2
HEAD = 40
COLOURS = {"p50": "#2563eb", "p99": "#c2410c", "echo p50": "#94a3b8", "echo p99": "#64748b"}
OTHER_COLOUR = "#334155"
LABEL_GAP = 13  # names at the ends of lines keep that far apart
FONT = "font-family=\"sans-serif\""


@dataclasses.dataclass
class Line:
    name: str
    points: list  # of (x, microseconds)


@dataclasses.dataclass
class Panel:
    title: str
    x_name: str
    lines: list


class Scale:
    """A value's place on a logarithmic axis from pixel `start` to pixel `end`."""

    def __init__(self, values, start, end):
        self.low, self.high = min(values), max(values)
        if self.low == self.high:
            self.low, self.high = self.low / 2, self.high * 2
        self.start, self.end = start, end

    def __call__(self, value):
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)


def short(number):
    """10000 -> 10k, 3000000 -> 3M: a label is read at a glance."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"


def duration(us):
    return f"{us / 1000:.3g} ms" if us >= 1000 else f"{us:.3g} us"


def nice_bounds(values):
    """The values 1, 2 or 5 times a power of ten at or outside the least and the greatest."""
    def steps():
        for exponent in range(math.floor(math.log10(min(values))) - 1,
                              math.ceil(math.log10(max(values))) + 2):
            yield from (step * 10.0 ** exponent for step in (1, 2, 5))
    ticks = list(steps())
    first = max(tick for tick in ticks if tick <= min(values))
    last = min(tick for tick in ticks if tick >= max(values))
    return [tick for tick in ticks if first <= tick <= last]


def text(x, y, words, anchor="middle", size=11, colour="#475569", weight="normal"):
    return (f"<text x=\"{x:.1f}\" y=\"{y:.1f}\" text-anchor=\"{anchor}\" font-size=\"{size}\" "
            f"fill=\"{colour}\" font-weight=\"{weight}\" {FONT}>"
            f"{xml.sax.saxutils.escape(words)}</text>")


def rule(x1, y1, x2, y2, colour="#e2e8f0"):
    return (f"<line x1=\"{x1:.1f}\" y1=\"{y1:.1f}\" x2=\"{x2:.1f}\" y2=\"{y2:.1f}\" "
            f"stroke=\"{colour}\"/>")


def spread(wanted):
    """The wanted places in order, moved down where two would lie on each other."""
    places = []
    for y in wanted:
        places.append(max(y, places[-1] + LABEL_GAP) if places else y)
    return places


def draw_lines(panel, x, y, parts):
    for line in panel.lines:
        colour = COLOURS.get(line.name, OTHER_COLOUR)
        points = " ".join(f"{x(at):.1f},{y(us):.1f}" for at, us in line.points)
        parts.append(f"<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" "
                     f"stroke-width=\"2\"/>")
        parts += [f"<circle cx=\"{x(at):.1f}\" cy=\"{y(us):.1f}\" r=\"3\" fill=\"{colour}\"/>"
                  for at, us in line.points]
    ends = sorted(panel.lines, key=lambda line: y(line.points[-1][1]))
    places = spread([y(line.points[-1][1]) for line in ends])
    for line, place in zip(ends, places):
        parts.append(text(x.end + 8, place + 4, line.name, "start",
                          colour=COLOURS.get(line.name, OTHER_COLOUR), weight="bold"))


def draw_panel(panel, left, top):
    values = [us for line in panel.lines for _, us in line.points]
    places = sorted({at for line in panel.lines for at, _ in line.points})
    ticks = nice_bounds(values)
    x = Scale(places, left + LEFT, left + WIDTH - RIGHT)
    y = Scale(ticks, top + HEIGHT - BOTTOM, top + TOP)
    parts = [text(left + LEFT, top + 26, panel.title, "start", 13, "#0f172a", "bold")]
    for tick in ticks:
        parts.append(rule(x.start, y(tick), x.end, y(tick)))
        parts.append(text(x.start - 6, y(tick) + 4, duration(tick), "end"))
    for place in places:
        parts.append(rule(x(place), y.start, x(place), y.start + 4, "#94a3b8"))
        parts.append(text(x(place), y.start + 17, short(place)))
    parts.append(rule(x.start, y.start, x.end, y.start, "#94a3b8"))
    parts.append(text((x.start + x.end) / 2, y.start + 36, panel.x_name))
    draw_lines(panel, x, y, parts)
    return parts


def render(title, panels):
    rows = math.ceil(len(panels) / COLUMNS)
    columns = min(COLUMNS, len(panels))
    width, height = columns * WIDTH, HEAD + rows * HEIGHT
    parts = [f"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" "
             f"width=\"{width}\" height=\"{height}\">",
             f"<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>",
             text(LEFT, 26, title, "start", 14, "#0f172a")]
    for i, panel in enumerate(panels):
        parts += draw_panel(panel, i % COLUMNS * WIDTH, HEAD + i // COLUMNS * HEIGHT)
    return "\n".join(parts + ["</svg>", ""])


def write(path, title, panels):
    with open(path, "w", encoding="utf-8") as file:
        file.write(render(title, panels))
