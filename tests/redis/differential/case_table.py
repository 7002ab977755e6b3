"""case_table -- what the command table says of each command is what Redis' says."""

from .reply import pairs

# What COMMAND INFO tells of a command, in its order.
FIELDS = ["name", "arity", "flags", "first key", "last key", "step", "categories", "tips",
          "key specifications"]


def without_notes(info):
    """Notes in key specifications are for people."""
    specs = []
    for spec in info[8]:
        spec = pairs(spec)
        spec.pop(b"notes", None)
        specs.append(spec)
    return [*info[:8], specs]


def words_of(doc):
    """Names of arguments and option words, at all depths."""
    for arg in map(pairs, doc.get(b"arguments", ())):
        yield arg.get(b"token", b"").upper()
        yield from words_of(arg)


def the_table_is_that_of_redis(pair):
    """COMMAND INFO field by field, and every option word of COMMAND DOCS."""
    faults = []
    for name, (doc, info) in pair.ours.items():
        if name not in pair.theirs:
            continue
        their_doc, their_info = pair.theirs[name]
        for field, a, b in zip(FIELDS, without_notes(info), without_notes(their_info)):
            if a != b:
                faults.append(f"{name}: {field}: {a} here, {b} there")
        missing = set(words_of(their_doc)) - set(words_of(doc))
        if missing:
            faults.append(f"{name}: no option {b' '.join(sorted(missing)).decode()}")
    for fault in faults:
        print("  " + fault)
    assert not faults, f"{len(faults)} facts differ"
