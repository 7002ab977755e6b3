"""reply -- RESP2 and RESP3 replies as bytes: where one ends, and what it consists of."""


def end_of(data, at):
    """Where the reply that begins at ends, or None if it is not all there."""
    line = data.find(b"\r\n", at)
    if line < 0:
        return None
    kind, end = data[at], line + 2
    if kind in b"+-:_,#(":
        return end
    size = int(data[at + 1:line])
    if kind in b"$=!":
        if size >= 0:
            end += size + 2
        return end if end <= len(data) else None
    for _ in range(size * (2 if kind in b"%|" else 1)):
        end = end_of(data, end)
        if end is None:
            return None
    return end_of(data, end) if kind in b"|" else end


def is_aggregate(data):
    return data[:1] in (b"*", b"~", b"%", b">") and data[1:2] != b"-"


def elements(data):
    """The replies that an array, set, map or push consists of."""
    at, out = data.index(b"\r\n") + 2, []
    while at < len(data):
        end = end_of(data, at) or len(data)
        out.append(data[at:end])
        at = end
    return out


def value(data):
    """Strings and numbers as bytes and int, aggregates as lists, null as None."""
    kind, line = data[:1], data[1:data.index(b"\r\n")]
    if kind in (b"$", b"=", b"!"):
        return None if line == b"-1" else data[len(line) + 3:-2]
    if kind == b":":
        return int(line)
    if kind == b"_" or line == b"-1":
        return None
    if is_aggregate(data):
        return [value(e) for e in elements(data)]
    return line


def pairs(flat):
    """A map that came as a list."""
    return dict(zip(flat[::2], flat[1::2]))
