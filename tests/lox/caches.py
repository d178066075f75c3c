"""Sources against a runtime that remembers, at each place of the code, what it found there before:
what is remembered must not be used for an object or a value that is made differently."""

from wanted import lines, printing, runtime_error

KINDS = {"nil": "nil", "boolean": "true", "number": "1.5", "string": "\"text\"",
         "function": "f", "class": "C", "bound_method": "C().m", "native": "clock",
         "closure": "closure()"}

ACCESSES = {"get": ("o.m", "Only instances have properties."),
            "set": ("o.field = 1", "Only instances have fields."),
            "call": ("o.m()", "Only instances have methods.")}


def wrong_kind_sources():
    """An access that has served instances meets another kind of value."""
    for access, (expression, message) in ACCESSES.items():
        for kind, value in KINDS.items():
            source = ("class C { m() { return 1; } }\n"
                      "fun f() {}\n"
                      "fun closure() { var v; fun g() { return v; } return g; }\n"
                      "fun use(o) { return %s; }\n"
                      "var c = C();\n"
                      "for (var i = 0; i < 10; i = i + 1) use(c);\n"
                      "use(%s);\n" % (expression, value))
            yield "%s_on_%s" % (access, kind), source, runtime_error(
                message, "[line 4] in use()", "[line 7] in script")


def wrong_callee_sources():
    """A call that has served one kind of callee meets others, and values that can't be called."""
    kinds = {"nil": "nil", "boolean": "true", "number": "1.5", "string": "\"text\"",
             "instance": "C()"}
    for kind, value in kinds.items():
        source = ("class C { m() { return 1; } }\nfun f() {}\nfun use(c) { return c(); }\n"
                  "for (var i = 0; i < 10; i = i + 1) { use(f); use(C); use(C().m); use(clock); }\n"
                  "use(%s);\n" % value)
        yield "callee_is_%s" % kind, source, runtime_error(
            "Can only call functions and classes.", "[line 3] in use()", "[line 5] in script")
    arities = (("function", "f", 2), ("class", "C", 1), ("bound_method", "C(1).m", 3),
               ("plain_class", "P", 0))
    for kind, value, arity in arities:
        source = ("class P {}\nclass C { init(a) {} m(a, b, c) {} }\nfun f(a, b) {}\n"
                  "fun ok(a, b, c, d) {}\nfun use(c) { return c(1, 2, 3, 4); }\n"
                  "for (var i = 0; i < 10; i = i + 1) use(ok);\nuse(%s);\n" % value)
        yield "wrong_arity_of_%s" % kind, source, runtime_error(
            "Expected %d arguments but got 4." % arity, "[line 5] in use()", "[line 7] in script")


MANY_ORDERS = """
class C {}
var seed = 1;
fun random() {  // 0 … 15
  seed = seed * 75 + 74;
  while (seed >= 65537) {
    var step = 65537;
    while (step * 2 <= seed) step = step * 2;
    seed = seed - step;
  }
  var r = seed;
  while (r >= 1024) r = r - 1024;
  while (r >= 16) r = r - 16;
  return r;
}
fun set(o, k) {
@SETTERS
}
fun sum(o) { return @SUM; }
var good = 0;
for (var n = 0; n < 60; n = n + 1) {
  var o = C();
  for (var i = 0; i < 8; i = i + 1) set(o, random());
  for (var i = 0; i < 16; i = i + 1) set(o, i);
  if (sum(o) == 120) good = good + 1;
}
print good;
"""


def field_sources():
    """Objects with many fields, and with the same fields in very many orders."""
    groups, each = 6, 100
    source = "class Wide {}\n"
    for g in range(groups):
        names = ["f%d_%d" % (g, i) for i in range(each)]
        source += "fun set%d(o, n) { %s return n; }\n" % (
            g, " ".join("o.%s = n; n = n + 1;" % name for name in names))
        source += "fun sum%d(o) { return %s; }\n" % (
            g, " + ".join("o.%s" % name for name in names))
    source += "fun test(o) { var n = 0; %s return %s; }\n" % (
        " ".join("n = set%d(o, n);" % g for g in range(groups)),
        " + ".join("sum%d(o)" % g for g in range(groups)))
    source += "var o = Wide(); var sum = test(o);\nprint sum == %d;\n" % (
        groups * each * (groups * each - 1) // 2)
    source += "print test(o) == sum;\nprint test(Wide()) == sum;\nprint o.f3_50;\n"
    yield "hundreds_of_fields", source, printing("true", "true", "true", "350")

    setters = lines("  if (k == %d) o.f%d = %d;" % (i, i, i) for i in range(16))
    total = " + ".join("o.f%d" % i for i in range(16))
    yield "fields_in_many_orders", \
        MANY_ORDERS.replace("@SETTERS", setters).replace("@SUM", total), \
        printing("60").under_stress(25)


def sources():
    for group in (wrong_kind_sources, wrong_callee_sources, field_sources):
        yield from group()
