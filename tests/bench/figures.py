"""What follows from the rows of a run: ratios to the best peer, growth, the cost of collection.

A run is what `./goo bench --json FILE` writes (README.md has its form). Rows that agree in all but
their subject are a group: one piece of work, done by each of them. Nothing here prints or draws.
"""

import collections
import math

Growth = collections.namedtuple("Growth", "bench workload subject heap unit exponent sizes")
Cost = collections.namedtuple("Cost", "bench workload size size_unit heap unit subject oracle "
                              "by_oracle")
MeanCost = collections.namedtuple("MeanCost", "subject oracle unit heap by_oracle count ours")


def group_key(row):
    return (row["bench"], row["workload"], row.get("size"), row.get("heap"), row["unit"])


def groups(rows):
    """{key: rows}, in the order in which they were measured."""
    found = {}
    for row in rows:
        found.setdefault(group_key(row), []).append(row)
    return found


def times_as_long(row, than):
    """Below 1 `row` is faster."""
    ratio = row["median"] / than["median"] if than["median"] else math.inf
    return (1 / ratio if ratio else math.inf) if row["more_is_better"] else ratio


def best_peer(group):
    """The fastest row that is neither ours nor bare; None where there is none."""
    peers = [row for row in group if row["role"] == "peer"]
    chosen = (max if group[0]["more_is_better"] else min)
    return chosen(peers, key=lambda row: row["median"]) if peers else None


def measure_of(group):
    """What the ratios of a group are to: the best peer, else the row that the benchmark itself
    compared with, else the first."""
    best = best_peer(group)
    if best is not None:
        return best
    named = [row for row in group if row["subject"] == group[0].get("than")]
    return named[0] if named else group[0]


def fitted_exponent(points):
    """b of the line log y = a + b log x nearest to the points."""
    xs = [math.log(x) for x, _ in points]
    ys = [math.log(y) for _, y in points]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys)) / spread


def growth(rows):
    """How the whole cost grows with size: as size to the power of `exponent`. Of those that were
    measured at three sizes or more; of more than six the larger half, where constants are small.
    A unit "... per ..." is multiplied by its count first: its exponent is one more."""
    curves = {}
    for row in rows:
        if row.get("size") and row["median"] > 0 and not row["more_is_better"]:
            key = (row["bench"], row["workload"], row["subject"], row.get("heap"), row["unit"])
            curves.setdefault(key, {})[row["size"]] = row["median"]
    found = []
    for key, curve in curves.items():
        points = sorted(curve.items())
        if len(points) < 3:
            continue
        points = points[len(points) // 2:] if len(points) > 6 else points
        exponent = fitted_exponent(points) + (1 if " per " in key[4] else 0)
        found.append(Growth(*key, exponent, [size for size, _ in points]))
    return found


def collection_costs(rows):
    """What each collector takes beside an oracle that frees by hand and runs the same program."""
    found = []
    for (bench, workload, size, heap, unit), group in groups(rows).items():
        oracles = [row for row in group if row["role"] == "oracle"]
        for row in group if oracles else []:
            if row["role"] in ("goo", "peer"):
                found.append(Cost(bench, workload, size, row.get("size_unit"), heap, unit,
                                  row["subject"], oracles[0]["subject"],
                                  times_as_long(row, oracles[0])))
    return found


def geometric_mean(numbers):
    return math.exp(sum(map(math.log, numbers)) / len(numbers))


def mean_costs(costs):
    """The geometric mean over all programs, where there are several, for each collector and size of
    the heap; of how many, since one without memory for a heap is left out there. Means of other
    programs can't be compared: beside a peer's stands ours of the peer's programs, where ours ran
    them all. By heap, ours first."""
    found = {}
    for one in costs:
        key = (one.subject, one.oracle, one.unit, one.heap)
        found.setdefault(key, {})[one.workload, one.size] = one.by_oracle
    means = []
    for key, programs in found.items():
        twins = [theirs for other, theirs in found.items() if other[1:] == key[1:]
                 and other[0].startswith("goo") and not key[0].startswith("goo")
                 and set(programs) < set(theirs)]
        ours = geometric_mean([twins[0][one] for one in programs]) if twins else None
        if len(programs) > 1:
            means.append(MeanCost(*key, geometric_mean(programs.values()), len(programs), ours))
    return sorted(means, key=lambda mean: (mean.heap or 0, not mean.subject.startswith("goo")))


# --- words ---

def mean_text(mean):
    """"1.40 × of 4", and in brackets ours of these, where ours ran more programs."""
    there = f" (goo {mean.ours:.2f})" if mean.ours is not None else ""
    return f"{mean.by_oracle:.2f} × of {mean.count}{there}"


def more_memory_text(row, than):
    """Where a process took more than three per cent more: a ratio of times alone would hide it."""
    ours, theirs = row.get("peak_bytes"), than.get("peak_bytes")
    if not ours or not theirs or ours <= 1.03 * theirs:
        return ""
    return f"  with {ours / theirs:.2f} × its memory"


def number_text(value):
    """Three digits, without an exponent."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def value_text(value, unit):
    if unit == "ns":
        for limit, name in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
            if value >= limit:
                return f"{number_text(value / limit)} {name}"
    return f"{number_text(value)} {unit}"


def size_text(size, unit):
    if unit and unit.startswith("bytes"):
        for power, name in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
            if size >= 1 << power:
                return f"{number_text(size / (1 << power))} {name}" + unit[len("bytes"):]
        return f"{size:.0f} {unit}"
    return f"{size:,.0f} {unit or ''}".strip()


def group_title(row):
    """What a group did, in a few words."""
    parts = [row["workload"]]
    if row.get("size"):
        parts.append(size_text(row["size"], row.get("size_unit")))
    if row.get("heap"):
        parts.append(f"heap {row['heap']:g} × live")
    return ", ".join(parts)
