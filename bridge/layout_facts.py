#!/usr/bin/env python3
"""Writes the lines of goo_bridge_layout's table from the public headers.

    layout_facts.py ROOT_HEADER OUTPUT DEPENDENCY_FILE

Follows the includes of goo/goo.h and writes LAYOUT_SIZE, LAYOUT_OFFSET and LAYOUT_VALUE lines for
every struct with a body, its members and every enumeration constant. It knows the declarations that
the house style allows, and ends with an error at one that it does not. The Zig tests compare the
table with what Zig's translator found in the same headers, by number and by name.
"""

import os
import re
import sys


def headers_from(root):
    """The header and what it includes of goo/, each once, in the order of inclusion."""
    folder = os.path.dirname(os.path.dirname(os.path.abspath(root)))
    seen, texts = [], []

    def visit(path):
        if path in seen:
            return
        seen.append(path)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for name in re.findall(r'^#\s*include\s+"(goo/[^"]+)"', text, re.M):
            visit(os.path.join(folder, name))
        text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)
        texts.append(re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", " ", text, flags=re.M))

    visit(os.path.abspath(root))
    return seen, "\n".join(texts)


def bodies(text, keyword):
    """(name, body) of each struct or enum that has a body."""
    for match in re.finditer(rf"\b{keyword}\b\s*(\w*)\s*\{{", text):
        depth, end = 1, match.end()
        while depth > 0:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        yield match.group(1), text[match.end():end - 1]


def without_parentheses(text):
    """Parameters and initializers taken away, from the innermost outwards."""
    while "(" in text:
        text = re.sub(r"\([^()]*\)", "", text)
    return text


def members(name, body):
    if "{" in body:
        sys.exit(f"layout_facts.py: struct {name} has a member of its own kind")
    for declaration in body.split(";"):
        declaration = " ".join(declaration.split())
        if not declaration:
            continue
        pointer = re.search(r"\(\*(?:const )?(\w+)(?:\[\w*\])?\)\s*\(", declaration)
        if pointer:
            yield pointer.group(1)
            continue
        for part in declaration.split(","):
            found = re.search(r"(\w+)(?:\[\w+\])*$", part.strip())
            if found is None:
                sys.exit(f"layout_facts.py: struct {name}: '{declaration}'")
            yield found.group(1)


def main():
    root, output, dependencies = sys.argv[1:4]
    seen, text = headers_from(root)
    lines = []
    for name, body in bodies(text, "struct"):
        lines.append(f"LAYOUT_SIZE({name}),")
        lines += [f"LAYOUT_OFFSET({name}, {member})," for member in members(name, body)]
    for _, body in bodies(text, "enum"):
        for part in without_parentheses(body).split(","):
            name = part.split("=")[0].strip()
            if name:
                lines.append(f"LAYOUT_VALUE({name}),")
    with open(output, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    with open(dependencies, "w", encoding="utf-8") as file:
        file.write(f"{output}: " + " ".join(path.replace(" ", "\\ ") for path in seen) + "\n")


if __name__ == "__main__":
    main()
