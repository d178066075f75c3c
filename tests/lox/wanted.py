"""Short forms of an expectation, for sources that are made by a program."""

import case as cases


class Wanted:
    """What a source is to do; `expectation` is asked with the source once that is known."""

    def __init__(self, out="", err="", exit_code=0, check=None):
        self.out = out
        self.err = err
        self.exit_code = exit_code
        self.check = check
        self.stress = None

    def under_stress(self, interval):
        """Sets the stress interval, for what takes too long with a collection per allocation."""
        self.stress = interval
        return self

    def expectation(self, source):
        err = self.err(source) if callable(self.err) else self.err
        if self.check is not None:
            return cases.Expectation(None, None, self.exit_code, self.check)
        return cases.Expectation(cases.exact(self.out), cases.exact(err), self.exit_code)


def lines(texts):
    return "".join(text + "\n" for text in texts)


def printing(*texts):
    return Wanted(out=lines(texts))


def compile_error(line, token, message):
    """One compile error at a token; None for one without "at", "end" for the end of the source."""
    where = {None: "", "end": " at end"}.get(token, " at '%s'" % token)
    return Wanted(err="[line %d] Error%s: %s\n" % (line, where, message), exit_code=65)


def compile_error_in(token, message):
    """One compile error at the last `token` of the source."""
    def err(source):
        line = source[:source.rindex(token)].count("\n") + 1
        return "[line %d] Error at '%s': %s\n" % (line, token, message)
    return Wanted(err=err, exit_code=65)


def runtime_error(message, *trace, out=""):
    return Wanted(out=out, err=lines((message,) + trace), exit_code=70)


def some_end(*exit_codes):
    """A result or an orderly error, with a message: for what the language leaves open."""
    def check(result):
        if result.exit_code not in exit_codes:
            return ["exit %s is none of %s" % (result.exit_code, list(exit_codes))]
        return [] if result.exit_code == 0 or result.err else ["an error without a message"]
    return Wanted(exit_code=None, check=check)
