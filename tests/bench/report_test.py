#!/usr/bin/env python3
"""Tests the page that report.py makes of a recorded run, in headless Chromium where there is one.

    report_test.py

What the page shows is compared with the numbers of recorded.json, computed here anew: bars and
their ratios, curves, histograms, every row of the table. Then the page is laid out as wide as a
phone, in light and in dark, and its letters are measured. Without Chromium the cases that need it
are skipped, and say so. Prints TAP.
"""

import contextlib
import html.parser
import io
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile

import bench
import charts
import figures
import instructions
import report

HERE = os.path.dirname(os.path.abspath(__file__))
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PHONE = 360

# Measures the page in a frame as wide as a phone, and prints what it found as JSON.
MEASURE = """
<iframe id=frame style="width:%dpx;height:2000px;border:0"></iframe><pre id=found></pre>
<script>
const page = %s;
function light(text) {
  const c = text.match(/[\\d.]+/g).slice(0, 3).map(v => {
    v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2];
}
const frame = document.getElementById('frame');
frame.onload = () => {
  const inside = frame.contentDocument, view = frame.contentWindow;
  const back = light(view.getComputedStyle(inside.body).backgroundColor);
  let height = 1e9, contrast = 1e9, outside = 0;
  for (const text of inside.querySelectorAll('svg text')) {
    const box = text.getBoundingClientRect();
    if (box.width === 0) continue;
    const ink = light(view.getComputedStyle(text).fill);
    height = Math.min(height, box.height);
    contrast = Math.min(contrast, (Math.max(ink, back) + 0.05) / (Math.min(ink, back) + 0.05));
    const edge = text.ownerSVGElement.getBoundingClientRect();
    outside += box.left < edge.left - 1 || box.right > edge.right + 1;
  }
  document.getElementById('found').textContent = JSON.stringify({
    width: inside.documentElement.scrollWidth, height, contrast, back, outside});
};
frame.srcdoc = page;
</script>
"""


class Page(html.parser.HTMLParser):
    """What a page shows: elements with data-, texts of charts, rows of tables."""

    def __init__(self, text):
        super().__init__()
        self.marked, self.texts, self.rows, self.titles = [], [], [], []
        self.inside, self.source = [], text
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if "data-name" in attributes:
            self.marked.append((tag, attributes))
        if tag == "svg":
            self.titles.append(attributes["aria-label"])
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")
        if tag == "text":
            self.texts.append("")
        self.inside.append(tag)

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        if self.inside and self.inside[-1] == "td":
            self.rows[-1][-1] += data
        if self.inside and self.inside[-1] == "text":
            self.texts[-1] += data

    def of_class(self, name):
        return [a for _, a in self.marked if name in a.get("class", "").split()]


def expect(condition, *what):
    if not condition:
        raise AssertionError(what)


# --- Chromium ---

def browser():
    return next((path for path in map(shutil.which, BROWSERS) if path), None)


def opened(text, *flags):
    """The document as Chromium has it after reading the page."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "page.html")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        command = [browser(), "--headless=new", "--no-sandbox", "--disable-gpu",
                   "--disable-dev-shm-usage", "--user-data-dir=" + os.path.join(folder, "profile"),
                   "--virtual-time-budget=5000", *flags, "--dump-dom", "file://" + path]
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                timeout=120)
    expect(result.returncode == 0, command, result.stderr[-1000:])
    return result.stdout.decode("utf-8")


def measured(text, *flags):
    quoted = json.dumps(text).replace("</", "<\\/")
    document = opened(MEASURE % (PHONE, quoted), *flags)
    return json.loads(re.search(r"<pre id=\"found\">(\{.*?\})</pre>", document).group(1))


# --- what a page must show ---

def group_of(run, bar):
    """The row that a bar stands for, and the rows of the same work."""
    row = next(row for row in run["rows"] if row["subject"] == bar["data-name"]
               and repr(row["median"]) == bar["data-median"])
    return row, [other for other in run["rows"]
                 if all(other.get(key) == row.get(key)
                        for key in ("bench", "workload", "size", "heap", "unit"))]


def expect_bars(page, run):
    """Each bar of a group with a peer is as long as its row's median by the best peer's."""
    compared = 0
    for bar in page.of_class("bar"):
        if bar["data-median"] == "None":
            continue # what collection costs: expect_costs
        row, group = group_of(run, bar)
        peers = [other["median"] for other in group if other["role"] == "peer"]
        if not peers:
            continue
        best = (max if row["more_is_better"] else min)(peers)
        ratio = best / row["median"] if row["more_is_better"] else row["median"] / best
        most = max(other["median"] / best for other in group)
        length = charts.WIDTH * min(ratio, charts.BAR_MOST) / min(max(most, 1), charts.BAR_MOST)
        expect(abs(float(bar["data-ratio"]) - ratio) < 1e-3, bar, ratio)
        expect(abs(float(bar["width"]) - length) < 0.1, bar, length)
        expect(any(f" {ratio:.2f} ×" in text for text in page.texts), bar)
        compared += 1
    expect(compared >= 20, compared)


def expect_costs(page, run):
    """A bar for each collector beside each oracle, with the ratio of the medians."""
    shown = {(bar["data-name"], bar["data-ratio"]) for bar in page.of_class("bar")}
    oracles = [row for row in run["rows"] if row["role"] == "oracle"]
    expect(oracles, "the recorded run has oracles")
    for oracle in oracles:
        for row in run["rows"]:
            if row["role"] in ("goo", "peer") and all(
                    row.get(key) == oracle.get(key)
                    for key in ("bench", "workload", "size", "heap", "unit")):
                wanted = (f"{row['subject']}, heap {row['heap']:g} ×",
                          f"{row['median'] / oracle['median']:.4f}")
                expect(wanted in shown, wanted)
    for mean in figures.mean_costs(figures.collection_costs(run["rows"])):
        expect((mean.subject, f"{mean.by_oracle:.4f}") in shown, mean)
        expect(f"geometric mean, heap {mean.heap:g} ×" in page.titles, mean)
        expect(any(text.startswith(f"{mean.by_oracle:.2f} × of {mean.count}")
                   for text in page.texts), mean)


def expect_table(page, run):
    rows = [row for row in page.rows if len(row) == 11]
    expect(len(rows) == len(run["rows"]), len(rows), len(run["rows"]))
    shown = {(row[0], row[2], row[3], row[6], row[7]) for row in rows}
    for row in run["rows"]:
        wanted = (row["bench"], row["subject"], figures.number_text(row["median"]), row["unit"],
                  str(row["n"]))
        expect(wanted in shown, wanted)


def expect_curves(page, run):
    curves = {a["data-name"]: a["data-points"] for tag, a in page.marked if tag == "polyline"}
    heaps = [row for row in run["rows"] if row["bench"] == "gc" and row["role"] == "goo"]
    expect(heaps, "the recorded run has whole programs")
    for row in heaps:
        point = f"{row['heap']:.6g},{row['median']:.6g}"
        expect(any(point in data for data in
                   (a["data-points"] for tag, a in page.marked if tag == "polyline")), point)
    memory = [one for one in run["series"] if one["series"] == "memory"]
    expect(memory and all(one["subject"] in curves for one in memory), "memory over time")


def expect_histograms(page, run):
    pauses = [one for one in run["series"] if one["series"] == "pauses"]
    wanted = sum(count for one in pauses for _, count in one["points"])
    shown = sum(float(bucket["data-count"]) for bucket in page.of_class("bucket"))
    expect(wanted > 0 and shown == wanted, shown, wanted)


def expect_growth(page, run):
    """The slope over three sizes, each twice the one before, is half of the ends' logarithm."""
    curve = sorted((row["size"], row["median"]) for row in run["rows"]
                   if row["bench"] == "pause" and row["subject"] == "goo, 1 marker")
    expect(len(curve) == 3 and curve[2][0] == 4 * curve[0][0], curve)
    slope = math.log2(curve[2][1] / curve[0][1]) / 2
    expect(f"goo, 1 marker: {slope:.2f}" in page.texts, slope)


def expect_everything(page, run):
    expect_bars(page, run)
    expect_costs(page, run)
    expect_table(page, run)
    expect_curves(page, run)
    expect_histograms(page, run)
    expect_growth(page, run)
    for section in ("Beside the best peer", "Time against the size of the heap", "Pauses",
                    "What collection costs", "Memory over time", "Growth", "The machine"):
        expect(f"<h2>{section}</h2>" in page.source, section)


# --- cases ---

def a_page_needs_no_network_and_no_script(run, text):
    for word in ("http:", "https:", "<script", "src=", "url(", "@import", "<link"):
        expect(word not in text, word)


def a_page_shows_the_numbers(run, text):
    expect_everything(Page(text), run)


def texts_of_a_run_are_escaped(run, text):
    odd = dict(run, rows=[dict(run["rows"][0], subject='<b onload="x">&')])
    expect("<b onload" not in report.page(odd), "escaped")


def a_run_without_peers_makes_a_page(run, text):
    alone = dict(run, rows=[row for row in run["rows"] if row["role"] == "goo"], series=[])
    expect("No workload of this run has a peer" in report.page(alone), "said")
    expect("<h2>Pauses" not in report.page(alone), "no empty section")


def a_recorded_run_is_written_as_it_was_read(run, text):
    expect(json.loads(bench.json_text(run)) == run, "the same")


def made_up(subject, role, median, size=None, unit="ns", more_is_better=False):
    row = {"bench": "b", "workload": "w", "subject": subject, "role": role, "unit": unit,
           "median": median, "least": median, "most": median, "n": 1,
           "more_is_better": more_is_better}
    return dict(row, size=size, size_unit="objects") if size else row


def ratios_are_to_the_best_peer_whichever_way_is_better(run, text):
    group = [made_up("goo", "goo", 3.0), made_up("slow", "peer", 4.0), made_up("fast", "peer", 2.0),
             made_up("bare", "bare", 1.0), made_up("by hand", "oracle", 1.5)]
    expect(figures.best_peer(group)["subject"] == "fast", "the least time")
    expect(figures.times_as_long(group[0], group[2]) == 1.5, "a ratio of times")
    expect(figures.collection_costs(group)[0].by_oracle == 2.0, "beside the oracle")
    rates = [made_up("goo", "goo", 30.0, None, "GB/s", True),
             made_up("slow", "peer", 20.0, None, "GB/s", True),
             made_up("fast", "peer", 60.0, None, "GB/s", True)]
    expect(figures.best_peer(rates)["subject"] == "fast", "the highest rate")
    expect(figures.times_as_long(rates[0], rates[2]) == 2.0, "half the rate is twice the time")
    expect(figures.best_peer(group[:1]) is None, "nobody")


def costs_have_a_geometric_mean(run, text):
    rows = []
    for workload, factor in (("a", 0.5), ("b", 8.0), ("c", 2.0)):
        for one in (made_up("goo", "goo", 3 * factor), made_up("by hand", "oracle", 3.0)):
            rows.append(dict(one, workload=workload, heap=2))
    rows.append(dict(rows[0], heap=5))
    rows.append(dict(rows[1], heap=5))
    for workload, cost in (("a", 6.0), ("b", 54.0)): # without memory for the third
        rows.append(dict(made_up("rival", "peer", cost), workload=workload, heap=2))
    found = figures.mean_costs(figures.collection_costs(rows))
    means = {mean.heap: mean for mean in found if mean.subject == "goo"}
    rival = next(mean for mean in found if mean.subject == "rival")
    expect(abs(rival.by_oracle - 6.0) < 1e-9 and rival.count == 2, rival)
    expect(abs(rival.ours - 2.0) < 1e-9 and figures.mean_text(rival) == "6.00 × of 2 (goo 2.00)",
           "ours of the same programs", rival)
    expect(means[2].ours is None, means)
    expect(abs(means[2].by_oracle - 2.0) < 1e-9 and means[2].count == 3, means)
    expect(5 not in means, "no mean of one program")


def collectors_that_were_not_measured_are_absent(run, text):
    gc = {"benches": [{"name": "gc"}], "present": set(),
          "rows": [made_up("Boehm, 1 marker", "peer", 2.0),
                   made_up("explicit frees, mimalloc", "oracle", 1.0)]}
    expect(list(bench.absent_peers(gc)) == ["Whippet"], bench.absent_peers(gc))
    expect(bench.absent_peers(dict(gc, present={"Whippet"})) == {}, "without memory, but there")
    gc["rows"].append(made_up("Whippet, 1 marker", "peer", 3.0))
    expect(bench.absent_peers(gc) == {}, bench.absent_peers(gc))


def growth_is_of_the_whole_cost(run, text):
    for unit, power, whole in (("ns", 2, 2), ("ns", 0, 0), ("ns per object", 0, 1),
                               ("ns per object", 0.5, 1.5)):
        rows = [made_up("goo", "goo", 7 * size ** power, size, unit) for size in (10, 100, 3000)]
        expect(abs(figures.growth(rows)[0].exponent - whole) < 1e-9, unit, power)
        expect(figures.growth(rows[:2]) == [], "three sizes at least")


def instruction_counts_are_compared(run, text):
    kept = {"a": 100.0, "b": 5.0}
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        same = instructions.compare(kept, {"a": 100.9, "b": 5.2, "new": 3.0})
        fewer = instructions.compare(kept, {"a": 80.0})
        more = [instructions.compare(kept, one) for one in ({"a": 101.1}, {"b": 5.4})]
        gone = instructions.compare(kept, {"a": 100.0}, is_all=True)
        whole = instructions.compare(kept, dict(kept), is_all=True)
    expect(same and fewer and more == [False, False], same, fewer, more)
    expect(whole and not gone and "b: NOT COUNTED" in said.getvalue(), said.getvalue())
    for line in ("new: not kept yet", "a: fewer", "b: MORE"):
        expect(line in said.getvalue(), line, said.getvalue())
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "kept.txt")
        instructions.write_kept(path, "gcc 1; libc 2", kept)
        expect(instructions.read_kept(path) == ("gcc 1; libc 2", kept), path)
    expect(len(instructions.read_kept(instructions.KEPT)[1]) >= 10, "the file that is kept")


def chromium_shows_the_numbers(run, text):
    expect_everything(Page(opened(text)), run)


def a_phone_shows_all_of_it(run, text):
    found = measured(text)
    expect(found["width"] <= PHONE, found)
    expect(found["height"] >= 10 and found["outside"] == 0, found)
    expect(found["back"] > 0.8 and found["contrast"] >= 4.5, found)


def the_dark_is_dark_and_legible(run, text):
    found = measured(text, "--force-dark-mode", "--blink-settings=preferredColorScheme=0")
    expect(found["back"] < 0.1 and found["contrast"] >= 4.5, found)


CASES = (a_page_needs_no_network_and_no_script, a_page_shows_the_numbers,
         texts_of_a_run_are_escaped, a_run_without_peers_makes_a_page,
         a_recorded_run_is_written_as_it_was_read,
         ratios_are_to_the_best_peer_whichever_way_is_better, costs_have_a_geometric_mean,
         collectors_that_were_not_measured_are_absent, growth_is_of_the_whole_cost,
         instruction_counts_are_compared)
BROWSER_CASES = (chromium_shows_the_numbers, a_phone_shows_all_of_it, the_dark_is_dark_and_legible)


def main():
    with open(os.path.join(HERE, "recorded.json"), encoding="utf-8") as file:
        run = json.load(file)
    text = report.page(run)
    failed = 0
    print(f"1..{len(CASES) + len(BROWSER_CASES)}")
    for number, case in enumerate(CASES + BROWSER_CASES, 1):
        name = f"{number} - bench_report::{case.__name__}"
        if case in BROWSER_CASES and browser() is None:
            print(f"ok {name} # SKIP no Chromium")
            continue
        try:
            case(run, text)
            print(f"ok {name}")
        except (AssertionError, AttributeError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"not ok {name}\n# {str(error)[:2000]}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
