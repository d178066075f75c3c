"""A run as one page: no network, no script, legible on a phone and in the dark.

Sections, each only where the run has such rows: ratios to the best peer, time against the size of
the heap, what collection costs, pauses, memory over time, growth; then the machine, how to read it,
and all numbers. Charts are charts.py's; what is computed is figures.py's.
"""

import charts
import figures

STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --quiet: #57606a;
  --edge: #d0d7de; --panel: #f6f8fa; --goo: #0b61c4; --peer: #8a929b; --bare: #fff;
  --oracle: #1a7f37; --c0: #0b61c4; --c1: #b35000; --c2: #1a7f37; --c3: #8250df; --c4: #b4246e;
  --c5: #57606a; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --back: #0f1318; --text: #e6edf3; --quiet: #9aa5b1; --edge: #39424d; --panel: #171d24;
  --goo: #6cb0ff; --peer: #7d8792; --bare: #0f1318; --oracle: #57c46f; --c0: #6cb0ff; --c1: #f0a35e;
  --c2: #57c46f; --c3: #c09cff; --c4: #ff8ac0; --c5: #9aa5b1; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 10px 10px 40px; max-width: 1110px; background: var(--back);
  color: var(--text); font: 15px/1.45 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 22px; margin: 12px 0 4px; } h2 { font-size: 18px; margin: 32px 0 6px; }
h3 { font-size: 15px; margin: 18px 0 0; color: var(--quiet); }
p { margin: 4px 0 8px; max-width: 72ch; } .quiet { color: var(--quiet); }
.charts { display: flex; flex-wrap: wrap; gap: 14px 26px; }
figure { margin: 8px 0 0; width: 340px; max-width: 100%; }
figcaption { font-weight: 600; } figure p, figcaption { margin: 0 0 4px; } figure p { color: var(--quiet);
  font-size: 13px; }
svg { display: block; max-width: 100%; height: auto; }
svg text { font-size: 12.5px; fill: var(--text); } svg .tick { fill: var(--quiet); font-size: 11.5px; }
svg .goo-name { font-weight: 700; }
.bar { stroke: none; } .bar.goo { fill: var(--goo); } .bar.peer { fill: var(--peer); }
.bar.bare { fill: var(--bare); stroke: var(--quiet); stroke-dasharray: 3 2; }
.bar.oracle { fill: var(--oracle); }
.one { stroke: var(--text); stroke-width: 1.5; }
.grid { stroke: var(--edge); stroke-width: 1; } .base { stroke: var(--quiet); }
.line { fill: none; stroke-width: 2; } .mark, .bucket { stroke: none; }
""" + "".join(f".line.c{i} {{ stroke: var(--c{i}); }} .mark.c{i}, .bucket.c{i} "
              f"{{ fill: var(--c{i}); }}\n" for i in range(charts.COLOURS)) + """
.scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 3px 9px; border-bottom: 1px solid var(--edge);
  white-space: nowrap; } th { background: var(--panel); } td.n, th.n { text-align: right; }
td.SHORT { color: var(--bad); font-weight: 700; }
summary { cursor: pointer; padding: 6px 0; font-weight: 600; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; margin: 6px 0; }
dt { color: var(--quiet); } dd { margin: 0; min-width: 0; }
"""


def section(title, note, body):
    if not body:
        return ""
    return f"<section><h2>{charts.escape(title)}</h2><p>{charts.escape(note)}</p>{body}</section>"


def beside(drawings):
    return f'<div class="charts">{"".join(drawings)}</div>' if drawings else ""


def table(heads, rows):
    """Heads as (text, whether numbers); cells as text, or (text, class)."""
    head = "".join(f'<th{" class=n" if n else ""}>{charts.escape(t)}</th>' for t, n in heads)
    body = ""
    for row in rows:
        body += "<tr>"
        for (_, is_number), cell in zip(heads, row):
            content, kind = cell if isinstance(cell, tuple) else (cell, "n" if is_number else "")
            body += f'<td{f" class={kind}" if kind else ""}>{charts.escape(content)}</td>'
        body += "</tr>"
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>' \
           "</table></div>"


# --- ratios ---

def curve_sizes(rows):
    """{(bench, workload): how many sizes, how many heaps}"""
    sizes, heaps = {}, {}
    for row in rows:
        key = (row["bench"], row["workload"])
        sizes.setdefault(key, set()).add(row.get("size"))
        heaps.setdefault(key + (row.get("size"),), set()).add(row.get("heap"))
    return sizes, heaps


def wants_bars(group, sizes, heaps):
    """Not what is drawn as a growth plot, and of several heaps the one of twice what lives."""
    row = group[0]
    of_heaps = heaps[row["bench"], row["workload"], row.get("size")]
    if row["bench"] != "gc" and len(sizes[row["bench"], row["workload"]]) >= 3:
        return False
    return len(of_heaps) == 1 or row.get("heap") == 2


def group_bars(group):
    measure = figures.measure_of(group)
    entries = []
    for row in group:
        ratio = figures.times_as_long(row, measure)
        value = figures.value_text(row["median"], row["unit"] if row["unit"] == "ns" else "")
        words = f"{value.strip()} · {ratio:.2f} ×"
        entries.append((row["subject"], row["role"], ratio, words, row["median"]))
    note = f"1 is {measure['subject']}; {group[0]['unit']}"
    note += "".join(f"; {row['subject']}{more}" for row in group if row["role"] == "goo"
                    for more in [figures.more_memory_text(row, measure)] if more)
    if len(group) == 1:
        note = f"{group[0]['unit']}; no other ran, or none got through in this heap"
    title = figures.group_title(group[0])
    return charts.figure(title, note, charts.bars(title, entries))


def ratios_section(run):
    sizes, heaps = curve_sizes(run["rows"])
    body, of_bench = "", {}
    for group in figures.groups(run["rows"]).values():
        if wants_bars(group, sizes, heaps):
            of_bench.setdefault(group[0]["bench"], []).append(group_bars(group))
    for bench, drawings in of_bench.items():
        body += f"<h3>{charts.escape(bench)}</h3>" + beside(drawings)
    return section("Beside the best peer", "Times as long as the fastest peer of the same run, "
                   "medians: shorter is better. The stroke is at 1. Hollow bars are what is "
                   "possible at all, without an allocator's promises; a bar that ends in » is "
                   "cut.", body)


# --- curves ---

def curve_numbers(curves):
    """A number for each subject, ours first; those of one unit count on their own, since they never
    meet those of another in one chart."""
    subjects = {}
    for (*_, unit), by_subject in curves.items():
        for subject in by_subject:
            subjects.setdefault(subject, set()).add(unit)
    ordered = sorted(subjects, key=lambda subject: not subject.startswith("goo"))
    numbers = {}
    for subject in ordered:
        rivals = [n for other, n in numbers.items() if subjects[other] & subjects[subject]]
        numbers[subject] = next(n for n in range(len(ordered)) if n not in rivals)
    return numbers


def heaps_section(run):
    curves = {}
    for row in run["rows"]:
        if row.get("heap") and row["role"] != "bare":
            key = (row["bench"], row["workload"], row.get("size"), row.get("size_unit"),
                   row["unit"])
            curves.setdefault(key, {}).setdefault(row["subject"], []).append(
                (row["heap"], row["median"]))
    drawings, numbers = [], curve_numbers(curves)
    for (_, workload, size, size_unit, unit), by_subject in curves.items():
        heaps = sorted({heap for curve in by_subject.values() for heap, _ in curve})
        if len(heaps) < 2:
            continue
        title = f"{workload}, {figures.size_text(size, size_unit)}" if size else workload
        drawings.append(charts.figure(title, unit, charts.lines(
            title, [(name, sorted(by_subject[name])) for name in numbers if name in by_subject],
            lambda heap: f"{heap:g} ×", figures.number_text, log_x=True, x_ticks=heaps,
            numbers=numbers)))
    return section("Time against the size of the heap", "Whole programs in heaps so many times as "
                   "large as what lives: what memory buys. A side without a point ran out of "
                   "memory.", beside(drawings))


def size_tick(size, unit):
    return figures.size_text(size, unit).replace(" live", "").replace(" bytes", " B") \
        .replace(" objects", "")


def growth_section(run):
    ours = {row["subject"] for row in run["rows"] if row["role"] == "goo"}
    found = figures.growth(run["rows"])
    beside_ours = {one[:2] + one[3:5] for one in found if one.subject in ours}
    found = [one for one in found if one[:2] + one[3:5] in beside_ours]
    curves = {}
    for one in found:
        points = [(row["size"], row["median"]) for row in run["rows"]
                  if (row["bench"], row["workload"], row["subject"], row.get("heap"), row["unit"])
                  == one[:5] and row.get("size")]
        key = (one.bench, one.workload, one.heap, one.unit)
        curves.setdefault(key, []).append((f"{one.subject}: {one.exponent:.2f}", sorted(points)))
    drawings = []
    for (bench, workload, heap, unit), named in curves.items():
        title = f"{bench}: {workload}" + (f", heap {heap:g} ×" if heap else "")
        size_unit = next(row.get("size_unit") for row in run["rows"]
                         if row["bench"] == bench and row["workload"] == workload)
        drawings.append(charts.figure(title, f"{unit}, by {size_unit}", charts.lines(
            title, named, lambda size, of=size_unit: size_tick(size, of),
            lambda value, of=unit: figures.value_text(value, of if of == "ns" else "").strip(),
            True, True, x_ticks=[size for _, curve in named for size, _ in curve])))
    return section("Growth", "Cost by size, both logarithmic. The number is the fitted exponent of "
                   "the whole cost: 1 is proportional to size, 0 is constant.", beside(drawings))


def costs_section(run):
    charted, costs = {}, figures.collection_costs(run["rows"])
    for one in figures.mean_costs(costs):
        entry = (one.subject, "goo" if one.subject.startswith("goo") else "peer", one.by_oracle,
                 figures.mean_text(one), None)
        charted.setdefault((f"geometric mean, heap {one.heap:g} ×", one.unit, one.oracle),
                           []).append(entry)
    for one in costs:
        title = f"{one.workload}, {figures.size_text(one.size, one.size_unit)}"
        entry = (f"{one.subject}, heap {one.heap:g} ×",
                 "goo" if one.subject.startswith("goo") else "peer", one.by_oracle,
                 f"{one.by_oracle:.2f} × · {(one.by_oracle - 1) * 100:+.0f} %", None)
        charted.setdefault((title, one.unit, one.oracle), []).append(entry)
    drawings = [charts.figure(title, f"1 is {oracle}; {unit}", charts.bars(title, entries))
                for (title, unit, oracle), entries in charted.items()]
    return section("What collection costs", "Time beside an oracle: the same program, freeing each "
                   "object by hand as soon as it can. Below 1 collecting is cheaper than freeing. "
                   "A mean is of as many programs as had memory enough; in brackets Goo's of the "
                   "same programs.",
                   beside(drawings))


def series_of(run, kind):
    """{(bench, workload): [(subject, points)]}"""
    found = {}
    for one in run["series"]:
        if one["series"] == kind and one["points"]:
            found.setdefault((one["bench"], one["workload"]), []).append(
                (one["subject"], [tuple(point) for point in one["points"]]))
    return found


def pauses_section(run):
    drawings = [charts.figure(workload, "", charts.histograms(
        workload, curves, 2 ** (1 / 8), lambda ns: figures.value_text(ns, "ns")))
                for (_, workload), curves in series_of(run, "pauses").items()]
    return section("Pauses", "How often the program stood still for how long; time is logarithmic, "
                   "each row is as high as its fullest bucket.", beside(drawings))


def memory_section(run):
    drawings = [charts.figure(workload, "resident memory by ms", charts.lines(
        workload, curves, lambda ms: f"{ms:,.0f} ms", lambda b: f"{b / 1e6:,.0f} MB", marks=False))
                for (_, workload), curves in series_of(run, "memory").items()]
    return section("Memory over time", "What the process held while garbage was made.",
                   beside(drawings))


# --- the rest ---

def machine_section(run):
    machine = dict(run["machine"], date=run["date"],
                   kind="quick: a look, not a figure" if run["quick"] else "full",
                   benchmarks=", ".join(f"{one['name']} {one['seconds']:.0f} s"
                                        + ("" if one["good"] else " FAILED")
                                        for one in run["benches"]))
    machine["absent peers"] = ", ".join(f"{peer} ({how})" for peer, how in run["absent"].items()) \
        or "none"
    items = "".join(f"<dt>{charts.escape(key)}</dt><dd>{charts.escape(value)}</dd>"
                    for key, value in machine.items())
    return f"<section><h2>The machine</h2><dl>{items}</dl></section>"


def numbers_section(run):
    heads = [("bench", 0), ("workload", 0), ("subject", 0), ("median", 1), ("least", 1),
             ("most", 1), ("unit", 0), ("n", 1), ("by best peer", 1), ("target", 0),
             ("peak MB", 1)]
    rows = []
    for group in figures.groups(run["rows"]).values():
        best = figures.best_peer(group)
        for row in group:
            rows.append((row["bench"], figures.group_title(row), row["subject"],
                         figures.number_text(row["median"]), figures.number_text(row["least"]),
                         figures.number_text(row["most"]), row["unit"], row["n"],
                         f"{figures.times_as_long(row, best):.2f}" if best else "",
                         (row.get("verdict", ""), row.get("verdict", "")),
                         f"{row['peak_bytes'] / 1e6:.1f}" if row.get("peak_bytes") else ""))
    return (f"<section><h2>All numbers</h2><details><summary>{len(rows)} rows</summary>"
            f"{table(heads, rows)}</details></section>")


def summary_text(run):
    ratios = {}
    for group in figures.groups(run["rows"]).values():
        best = figures.best_peer(group)
        ours = [row for row in group if row["role"] == "goo"]
        if best and ours:
            ratios.setdefault(group[0]["bench"], []).append(
                min(figures.times_as_long(row, best) for row in ours))
    if not ratios:
        return "No workload of this run has a peer."
    counts = "; ".join(f"{bench} {sum(ratio <= 1.03 for ratio in found)} of {len(found)}"
                       for bench, found in ratios.items())
    return ("Where the best of Goo's ways takes at most 3 % longer than the best peer, of all "
            f"pieces of work that have one: {counts}.")


def page(run):
    sections = [ratios_section(run), heaps_section(run), costs_section(run), pauses_section(run),
                memory_section(run), growth_section(run), machine_section(run),
                numbers_section(run)]
    cpu = run["machine"].get("cpu", "an unknown processor")
    return ("<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
            '<meta name=viewport content="width=device-width, initial-scale=1">'
            f"<title>Goo, measured</title><style>{STYLE}</style></head><body>"
            f"<h1>Goo {charts.escape(run['machine'].get('goo', ''))}, measured</h1>"
            f'<p class=quiet>{charts.escape(cpu)}, {charts.escape(run["date"])}</p>'
            f"<p>{charts.escape(summary_text(run))}</p>{''.join(sections)}</body></html>\n")
