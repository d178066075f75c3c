"""Charts as inline SVG, without a script: bars, lines and histograms for report.py.

Each is 340 units wide, as wide as a phone shows, and is never scaled up, so that its letters stay
letters; a page puts as many beside each other as fit. Colours are classes that the page's style
sheet defines for light and dark. Colour never stands alone: bars have their names and numbers as
text, lines have a dash, a marker and a legend.

What a chart was drawn from is in its data- attributes, so that a test can compare it.
"""

import html
import math

WIDTH = 340
BAR_MOST = 6.0 # a longer bar is cut there, and says so
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4", "10 4")
COLOURS = 6

PLOT_LEFT, PLOT_RIGHT, PLOT_TOP, PLOT_HEIGHT = 52, 12, 8, 150


def escape(text):
    return html.escape(str(text), quote=True)


def text(x, y, content, anchor="start", kind="label"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">' \
           f'{escape(content)}</text>'


def svg(height, title, parts):
    return (f'<svg viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}" '
            f'role="img" aria-label="{escape(title)}">' + "".join(parts) + "</svg>")


def figure(title, note, drawing):
    note = f"<p>{escape(note)}</p>" if note else ""
    return f"<figure><figcaption>{escape(title)}</figcaption>{note}{drawing}</figure>"


# --- bars ---

def bar_scale(ratios):
    """Units for a ratio of 1."""
    return WIDTH / min(max(list(ratios) + [1.0]), BAR_MOST)


def shortened(content, most):
    return content if len(content) <= most else content[:most - 1] + "…"


def bars(title, entries):
    """A bar for each (name, role, ratio, words, median): a name and its value above, the bar below, and a
    line across it at 1."""
    scale = bar_scale(entry[2] for entry in entries)
    parts, y = [], 0
    for name, role, ratio, words, median in entries:
        width = min(ratio, BAR_MOST) * scale
        cut = " »" if ratio > BAR_MOST else ""
        parts.append(text(0, y + 13, shortened(name, 50 - len(words)), kind=f"label {role}-name"))
        parts.append(text(WIDTH, y + 13, words + cut, "end", "value"))
        parts.append(f'<rect class="bar {role}" x="0" y="{y + 18}" width="{width:.2f}" height="9" '
                     f'data-name="{escape(name)}" data-ratio="{ratio:.4f}" '
                     f'data-median="{median!r}"/>')
        x = min(scale, WIDTH - 1)
        parts.append(f'<line class="one" x1="{x:.1f}" x2="{x:.1f}" y1="{y + 16}" y2="{y + 29}"/>')
        y += 34
    return svg(y, title, parts)


# --- scales ---

class Scale:
    """From values to units; logarithmic, or linear from 0."""

    def __init__(self, values, first, last, log):
        self.log, self.first, self.last = log, first, last
        low, high = min(values), max(values)
        if log:
            self.low, self.high = math.log10(low) - 0.04, math.log10(high) + 0.04
        else:
            self.low, self.high = 0.0, high * 1.05 or 1.0

    def at(self, value):
        value = math.log10(value) if self.log else value
        return self.first + (value - self.low) / (self.high - self.low) * (self.last - self.first)

    def ticks(self):
        """Some round values; of a logarithmic scale powers of ten, or finer where it is short."""
        if not self.log:
            step = 10 ** math.floor(math.log10(self.high))
            while self.high / step < 3:
                step /= 2
            while self.high / step > 6:
                step *= 2
            return [i * step for i in range(int(self.high / step) + 1)]
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        for steps in ((1,), (1, 2, 5), range(1, 10), [i / 10 for i in range(10, 100)]):
            found = [m * 10.0 ** d for d in decades for m in steps
                     if self.low <= math.log10(m * 10.0 ** d) <= self.high]
            if len(found) >= 3:
                return found[::math.ceil(len(found) / 6)]
        return [10 ** self.low, 10 ** self.high]


def apart(scale, values, gap):
    """Those of `values` that lie at least `gap` units apart, the last one among them."""
    kept = []
    for value in sorted(set(values), reverse=True):
        if not kept or scale.at(kept[-1]) - scale.at(value) >= gap:
            kept.append(value)
    return kept


def axes(x, y, x_text, y_text, x_ticks=None):
    bottom = PLOT_TOP + PLOT_HEIGHT
    parts = []
    for tick in y.ticks():
        at = y.at(tick)
        parts.append(f'<line class="grid" x1="{PLOT_LEFT}" x2="{WIDTH - PLOT_RIGHT}" '
                     f'y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(text(PLOT_LEFT - 5, at + 4, y_text(tick), "end", "tick"))
    for tick in apart(x, x_ticks, 54) if x_ticks else x.ticks():
        at = x.at(tick)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{PLOT_TOP}" '
                     f'y2="{bottom}"/>')
        anchor = "end" if at > WIDTH - 30 else "middle"
        parts.append(text(WIDTH if anchor == "end" else at, bottom + 15, x_text(tick), anchor, "tick"))
    return parts


# --- lines ---

def marker(kind, x, y, colour):
    """One of five shapes."""
    where = f'class="mark c{colour}"'
    if kind == 0:
        return f'<circle {where} cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
    shapes = {1: "-4,3.5 4,3.5 0,-4.5", 2: "-3.3,-3.3 3.3,-3.3 3.3,3.3 -3.3,3.3",
              3: "0,-4.8 4.8,0 0,4.8 -4.8,0", 4: "-4,-3.5 4,-3.5 0,4.5"}
    points = " ".join(f"{x + float(dx):.1f},{y + float(dy):.1f}"
                      for dx, dy in (pair.split(",") for pair in shapes[kind].split()))
    return f'<polygon {where} points="{points}"/>'


def legend(names, top, marks):
    """Of (name, number) pairs."""
    parts = []
    for row, (name, i) in enumerate(names):
        y = top + 18 * row
        parts.append(f'<line class="line c{i % COLOURS}" x1="4" x2="44" y1="{y}" y2="{y}" '
                     f'stroke-dasharray="{DASHES[i % len(DASHES)]}"/>')
        if marks:
            parts.append(marker(i % 5, 24, y, i % COLOURS))
        parts.append(text(52, y + 4, shortened(name, 44)))
    return parts


def lines(title, curves, x_text, y_text, log_x=False, log_y=False, marks=True, x_ticks=None,
          numbers=None):
    """Curves as (name, [(x, y)…]); their texts name the axes' values. `numbers` gives a name the
    same colour, dash and marker in several charts."""
    numbers = numbers or {name: i for i, (name, _) in enumerate(curves)}
    points = [point for _, curve in curves for point in curve]
    bottom = PLOT_TOP + PLOT_HEIGHT
    x = Scale([p[0] for p in points], PLOT_LEFT, WIDTH - PLOT_RIGHT, log_x)
    y = Scale([p[1] for p in points], bottom, PLOT_TOP, log_y)
    parts = axes(x, y, x_text, y_text, x_ticks)
    for name, curve in curves:
        i = numbers[name]
        path = " ".join(f"{x.at(px):.1f},{y.at(py):.1f}" for px, py in curve)
        data = " ".join(f"{px:.6g},{py:.6g}" for px, py in curve)
        parts.append(f'<polyline class="line c{i % COLOURS}" points="{path}" '
                     f'stroke-dasharray="{DASHES[i % len(DASHES)]}" data-name="{escape(name)}" '
                     f'data-points="{data}"/>')
        if marks:
            parts += [marker(i % 5, x.at(px), y.at(py), i % COLOURS) for px, py in curve]
    parts += legend([(name, numbers[name]) for name, _ in curves], bottom + 36, marks)
    return svg(bottom + 36 + 18 * len(curves), title, parts)


# --- histograms ---

def histograms(title, curves, bucket_width, x_text):
    """A row for each (name, [(lower edge, count)…]) over one logarithmic axis."""
    edges = [edge for _, curve in curves for edge, _ in curve]
    x = Scale([min(edges), max(edges) * bucket_width], 6, WIDTH - 6, True)
    row, parts = 62, []
    bottom = row * len(curves)
    for tick in x.ticks():
        at = x.at(tick)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{bottom}"/>')
        anchor = "start" if at < 30 else "end" if at > WIDTH - 30 else "middle"
        parts.append(text(at, bottom + 15, x_text(tick), anchor, "tick"))
    for i, (name, curve) in enumerate(curves):
        base, most = row * (i + 1) - 4, max(count for _, count in curve)
        total = sum(count for _, count in curve)
        parts.append(text(0, row * i + 13, name))
        parts.append(text(WIDTH, row * i + 13, f"{total:.0f} pauses", "end", "value"))
        for edge, count in curve:
            left, right = x.at(edge), x.at(edge * bucket_width)
            height = 36 * count / most
            parts.append(f'<rect class="bucket c{i % COLOURS}" x="{left:.1f}" '
                         f'y="{base - height:.1f}" width="{max(right - left - 1, 1):.1f}" '
                         f'height="{height:.1f}" data-name="{escape(name)}" '
                         f'data-edge="{edge:.6g}" data-count="{count:.0f}"/>')
        parts.append(f'<line class="base" x1="0" x2="{WIDTH}" y1="{base}" y2="{base}"/>')
    return svg(bottom + 20, title, parts)
