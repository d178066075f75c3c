#!/usr/bin/env python3
"""Writes snapshots of heaps whose contents are known, and reads them: the whole structure, and
with a reader of others where this machine has one.

    snapshot_check.py WRITER

WRITER is test_snapshot_writer (snapshot_writer.c), which prints what must be in the file. The other
reader is that of Chrome DevTools: set GOO_DEVTOOLS to the unpacked npm package
chrome-devtools-frontend@1.0.672485, whose classic scripts Node runs (snapshot_devtools.js). Without
the two, these cases are skipped. Prints TAP.
"""

import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile

CASES = ["empty", "graph", "weak", "queue", "owned", "wide", "deep", "stacks"]
MEMORY_MAX_KIB = 8 << 10  # for a million objects
NODE_TYPES = {"object", "native", "synthetic"}
Node = collections.namedtuple("Node", "type name id size edges")
Edge = collections.namedtuple("Edge", "type name to")


def fail(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what))


class Snapshot:
    """A file's rows with their names, each number checked."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        head, meta = data["snapshot"], data["snapshot"]["meta"]
        self.strings = data["strings"]
        fail(len(meta["node_fields"]) == len(meta["node_types"]), "types of node fields")
        fail(len(meta["edge_fields"]) == len(meta["edge_types"]), "types of edge fields")
        self.read_nodes(data["nodes"], meta)
        fail(len(self.nodes) == head["node_count"], "node_count", head["node_count"])
        self.read_edges(data["edges"], meta)
        fail(sum(map(len, self.edges)) == head["edge_count"], "edge_count", head["edge_count"])
        for name in ("trace_function_infos", "trace_tree", "samples", "locations"):
            fail(data[name] == [], name)

    def read_nodes(self, rows, meta):
        width = len(meta["node_fields"])
        fail(meta["node_fields"][:5] == ["type", "name", "id", "self_size", "edge_count"], "fields")
        fail(len(rows) % width == 0, "nodes are no whole rows")
        self.width = width
        types = meta["node_types"][0]
        self.nodes = [Node(types[rows[i]], self.strings[rows[i + 1]], *rows[i + 2:i + 5])
                      for i in range(0, len(rows), width)]
        fail(all(number >= 0 for number in rows), "a negative number")
        ids = {node.id for node in self.nodes}
        fail(len(ids) == len(self.nodes), "ids are not unique")
        fail(all(0 < i < 2 ** 32 for i in ids), "an id has more than 32 bits")
        fail({node.type for node in self.nodes} <= NODE_TYPES, "types of nodes")

    def read_edges(self, rows, meta):
        fail(meta["edge_fields"] == ["type", "name_or_index", "to_node"], "fields of edges")
        fail(len(rows) % 3 == 0, "edges are no whole rows")
        types = meta["edge_types"][0]
        at = 0
        self.edges = []
        for node in self.nodes:
            own = []
            for row in range(at, at + 3 * node.edges, 3):
                kind, name, to = types[rows[row]], rows[row + 1], rows[row + 2]
                fail(to % self.width == 0 and to // self.width < len(self.nodes), "to_node", to)
                named = kind not in ("element", "hidden")
                own.append(Edge(kind, self.strings[name] if named else name, to // self.width))
            self.edges.append(own)
            at += 3 * node.edges
        fail(at == len(rows), "edges that belong to no node")

    def reached(self):
        """Which nodes strong edges lead to from the root."""
        seen, stack = {0}, [0]
        while stack:
            for edge in self.edges[stack.pop()]:
                if edge.type != "weak" and edge.to not in seen:
                    seen.add(edge.to)
                    stack.append(edge.to)
        return seen

    def group(self, name):
        found = [i for i, node in enumerate(self.nodes) if node.name == name]
        fail(len(found) == 1, "nodes called", name, len(found))
        return found[0]

    def all_edges(self):
        return (edge for own in self.edges for edge in own)


def decoded(name):
    """A name as JSON carries it: what is not UTF-8 is Latin-1."""
    text = ""
    while name:
        for length in range(4, 0, -1):
            try:
                text += name[:length].decode("utf-8")
                break
            except UnicodeDecodeError:
                continue
        else:
            length = 1
            text += chr(name[0])
        name = name[length:]
    return text


class Wanted:
    """What the writer says must be there."""

    def __init__(self, output):
        self.objects, self.edges, self.counts, self.present = {}, [], {}, []
        self.numbers = {}
        for line in output.split(b"\n"):
            word, _, rest = line.partition(b" ")
            if word == b"object":
                number, size, name = rest.split(b" ", 2)
                self.objects[int(number)] = (int(size), decoded(name))
            elif word == b"edge":
                self.edges.append(tuple(map(int, rest.split())))
            elif word == b"count":
                name, _, number = rest.rpartition(b" ")
                self.counts[name.decode()] = int(number)
            elif word == b"present":
                self.present.append(int(rest))
            elif word:
                self.numbers[word.decode()] = int(rest)


def compare(snapshot, wanted):
    objects = {node.id: (node.size, node.name) for node in snapshot.nodes if node.type == "object"}
    unreached = set(range(len(snapshot.nodes))) - snapshot.reached()
    fail(not unreached, len(unreached), "nodes that the root does not lead to")
    if wanted.objects or not wanted.present:
        missing = set(wanted.objects) - set(objects)
        fail(not missing, len(missing), "live objects are missing, such as", sorted(missing)[:3])
        surplus = set(objects) - set(wanted.objects)
        fail(not surplus, len(surplus), "dead objects are there, such as", sorted(surplus)[:3])
        wrong = [i for i in objects if objects[i] != wanted.objects[i]]
        fail(not wrong, "object", [(objects[i], wanted.objects[i]) for i in wrong[:2]])
    fail(set(wanted.present) <= set(objects), "objects that only a stack holds are missing")
    strong = collections.Counter(
        (node.id, snapshot.nodes[edge.to].id) for node, own in zip(snapshot.nodes, snapshot.edges)
        for edge in own if edge.type == "property")
    missing = collections.Counter(wanted.edges) - strong
    fail(not missing, len(missing), "references are missing")
    for name, count in wanted.counts.items():
        found = snapshot.nodes[snapshot.group(name)].edges
        fail(found == count, name, "has", found, "edges, not", count)
    natives = sum(node.size for node in snapshot.nodes if node.type == "native")
    fail(natives == wanted.numbers.get("native", natives), "external bytes", natives)
    weak = sum(edge.type == "weak" for edge in snapshot.all_edges())
    fail(weak == wanted.numbers.get("weak", weak), "weak edges", weak)
    values = sum(edge.type == "internal" and edge.name == "value"
                 for edge in snapshot.all_edges())
    fail(values == wanted.numbers.get("values", values), "values", values)


def devtools():
    """The command of DevTools' own reader, or why there is none."""
    node, package = shutil.which("node"), os.environ.get("GOO_DEVTOOLS")
    if node is None:
        return None, "no Node"
    if package is None:
        return None, "GOO_DEVTOOLS names no chrome-devtools-frontend"
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "snapshot_devtools.js")
    return [node, script, package], None


def compare_devtools(command, path, snapshot):
    """Counts, sizes and distances as DevTools' worker computes them from the file."""
    result = subprocess.run(command + [path], stdout=subprocess.PIPE, check=True, timeout=250)
    seen = json.loads(result.stdout)
    fail(seen["nodes"] == len(snapshot.nodes), "DevTools counts", seen["nodes"], "nodes")
    fail(seen["orphans"] == 0, seen["orphans"], "nodes without a distance")
    fail(seen["total"] == sum(node.size for node in snapshot.nodes), "total size", seen["total"])
    counts = collections.Counter(n.name for n in snapshot.nodes if n.type != "synthetic")
    fail(seen["classes"] == counts, "classes", seen["classes"], counts)


def main():
    writer = sys.argv[1]
    reader, why_not = devtools()
    failed = number = 0
    print(f"1..{2 * len(CASES) + 1}")

    def report(name, check, skip=None):
        nonlocal failed, number
        number += 1
        if skip is not None:
            print(f"ok {number} - snapshot::{name} # SKIP {skip}")
            return
        try:
            check()
            print(f"ok {number} - snapshot::{name}")
        except Exception as problem:  # whatever goes wrong is this case's failure
            failed += 1
            print(f"not ok {number} - snapshot::{name}")
            print(f"# {type(problem).__name__}: {problem}"[:2000].replace("\n", "\n# "))

    def check_memory():
        result = subprocess.run([writer, "million", "/dev/null"], stdout=subprocess.PIPE,
                                timeout=500)
        fail(result.returncode == 0, "the writer's exit status:", result.returncode)
        memory = Wanted(result.stdout).numbers.get("memory", 0)  # not measured under sanitizers
        fail(memory <= MEMORY_MAX_KIB, memory, "KiB for a million objects")

    report("memory_of_a_million_objects", check_memory)
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            path = os.path.join(folder, case + ".heapsnapshot")
            read = []

            def check(case=case, path=path, read=read):
                result = subprocess.run([writer, case, path], stdout=subprocess.PIPE, timeout=250)
                fail(result.returncode == 0, "the writer's exit status:", result.returncode)
                read.append(Snapshot(path))
                compare(read[0], Wanted(result.stdout))

            def check_devtools(path=path, read=read):
                fail(read, "there is no good file")
                compare_devtools(reader, path, read[0])

            report(case, check)
            report(case + "_in_devtools", check_devtools, why_not)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
