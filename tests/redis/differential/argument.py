"""argument -- words that are interesting where a command takes a key, a value, a number.

What COMMAND DOCS calls an argument chooses the pool (NAMED); an argument of a new name gets one by
its type (TYPED). Pools are plain lists: what shall come more often stands there more often.
"""

BIG = b"9223372036854775807"
FAR_S = 4_000_000_000

# None of them a place in a string that would make a server fill hundreds of megabytes with zeros.
NUMBERS = [b"0", b"1", b"-1", b"10", b"-0", b"+1", b"01", b" 1", b"1 ", b"1.0", b"1e3", b"abc", b"",
           b"0x10", BIG, b"9223372036854775808", b"-9223372036854775808", b"-9223372036854775809",
           b"18446744073709551616", b"9223372036854775", b"9223372036854776", b"1\x00", b"nan",
           b"inf", b"-inf", b"4294967296", b"-2147483649", b"1e400", b"3.0e3",
           b"0.1", b"-.5", b"5.", b"100000000000000000000000000000000000000000"]
SMALL = [b"%d" % n for n in (*range(-8, 12), 15, 16, 31, 63, 64, 100, 255, 1000, -100)]
CHUNK = 16 * 1024
ROW = 64 * 1024


def pattern_bytes(size):
    return bytes(i * 7 % 251 for i in range(size))


# Around the sizes at which a string becomes chunks, and at which a chunk ends.
LARGE = [pattern_bytes(size) for size in (CHUNK - 1, CHUNK, CHUNK + 1, ROW - 1, ROW, ROW + 1,
                                          ROW + CHUNK, 3 * ROW + 5)]
KEYS = [b"a", b"b", b"c", b"d"] * 4 + [b"long", b"num", b"{t}1", b"{t}2", b"", b"k\r\n",
                                       "é".encode(), b"\x00\xff", b"a b", b"x" * 300]
TEXT = [b"", b"v", b"vv", b"text", b"foobar", b"ohmytext", b"mynewtext", b"\x00\xff\r\n", b"a b",
        b"\xff\xf0\x00", b"\x01", b"\x7f\x80", b"x" * 63, b"x" * 64, b"ab" * 250, b"\x00" * 9]
VALUES = ([b"%d" % n for n in range(-9, 30)] + TEXT * 3 + NUMBERS + [b"3.14", b"-1.5e-7"]
          + [b"y" * 5000, LARGE[0]])
INTEGERS = SMALL * 5 + NUMBERS
FLOATS = SMALL + NUMBERS + [b"3.14", b"-1.5", b"1e-7", b"1e20", b"1e308", b"5e-324", b"0.3",
                            b"-2e2", b"1.7976931348623157e308", b"1e4932", b"0.30000000000000004"]
# Beyond the end of what is there, and across the ends of chunks.
PLACES = SMALL * 2 + NUMBERS[:20] + [b"%d" % n for n in (CHUNK - 2, CHUNK, ROW - 1, ROW, ROW + 1,
                                                         70_000, 150_000)]
PLACES += [b"536870912"]
BITS = SMALL * 3 + [b"%d" % n for n in (7, 8, 9, 8 * CHUNK - 1, 8 * CHUNK, 8 * ROW, 8 * ROW + 77)]
BITS += [b"-1", b"abc", b"4294967296", BIG, b"#0", b"#1", b"#3", b"#-1", b"#x", b"1.5", b""]
BIT = [b"0", b"1"] * 9 + [b"2", b"x", b""]
RANGE_ENDS = SMALL * 4 + [b"65530", b"70000", b"-70000", BIG, b"-" + BIG, b"x", b"1.5", b""]

# No expiry that could end while a stream runs: far away, at once, or refused. Relative ones are a
# minute or so apart, so that the moments of two commands do not decide which of them is later. What
# is over is never set by SET: see docs/decisions/resp.md, WATCH of a key that is over.
NEVER = [b"0", b"-1", b"x", b"", BIG, b"-9223372036854775808", b"9223372036854775", b"1.5",
         b"18446744073709551616"]
TIMES = ["seconds", "milliseconds", "unix-time-seconds", "unix-time-milliseconds", "ttl"]
APART = range(10_000)
SECONDS = [b"%d" % (1_000_000 + 100 * k) for k in APART] + NEVER * 300
MILLIS = [b"%d" % (1_000_050_000 + 100_000 * k) for k in APART] + NEVER * 300
UNIX_S = [b"%d" % (FAR_S + k) for k in range(9)] * 3 + NEVER
UNIX_MS = [b"%d" % (1000 * FAR_S + k) for k in range(9)] * 3 + NEVER
OVER = [b"1", b"1000000000"]

PATTERNS = [b"*", b"?", b"a*", b"[ab]", b"[^a]", b"k[0-9]*", b"\\*", b"l*", b"", b"[", b"[a-",
            b"*a*", b"x\\", b"{t}?", b"[c-a]"]
DATABASES = [b"0"] * 12 + [b"1"] * 6 + [b"2", b"15", b"16", b"-1", b"x", b"", b"2147483647",
                                          b"2147483648"]
CHANNELS = [b"ch", b"ch2", b"news", b"", b"\x00\xff", b"__keyspace@0__:a", b"__keyevent@0__:set"]
CHANNEL_PATTERNS = [b"*", b"ch*", b"n?ws", b"[cn]*", b"__key*@*__:*", b"__keyevent@0__:*",
                    b"nosuch"]
TYPES = [b"string", b"STRING", b"hash", b"list", b"zset", b"stream", b"nosuch", b""]
FIELDS = [b"u8", b"i8", b"u1", b"i1", b"i5", b"u16", b"i16", b"u32", b"i32", b"u63", b"i64", b"u64",
          b"i65", b"u0", b"i0", b"x8", b"u", b"", b"U8", b"u08"]
NAMES = [b"me", b"", b"a b", b"you", b"a\nb", b"\xc3\xa4"]

def dumps(*texts):
    return [bytes.fromhex(text) for text in texts]


# What DUMP of Redis 7.0 says of numbers, of strings plain and compressed; with a false checksum;
# of a version that is too new; cut off.
SERIALIZED = dumps("00c00c0a003c2af8515c04bcd5",
                   "00c1d2040a00008708a144825ced",
                   "00c215cd5b070a00a4b7c909e0e9379e",
                   "000b31323334353637383930310a00304e52d727176510",
                   "000568656c6c6f0a006372df766534200a",
                   "00000a005d9b5c400f7fa2da",
                   "00c30940c8016161e0bb000161610a001f99f72e01b20de3",
                   "00c30a40500200ff00e042010100ff0a00d7e744dd1cd4ed48") * 3
# With bytes behind the value; with a value that reaches into the foot.
SERIALIZED += dumps("000568656c6c6f780a00468a35b08eebc045", "000f68656c6c6f0a00a04becf7b312ab91",
                    "00c00a00e9e748739a9efaf6", "00c3040500614000780a000fb81571e6072fab")
SERIALIZED += [SERIALIZED[0][:-1], SERIALIZED[4][:-8] + b"xxxxxxxx", b"", b"\x00",
               b"\x00\x05hello\xff\x00xxxxxxxx"]

NAMED = {
    "serialized-value": SERIALIZED,
    "value": VALUES, "string": VALUES, "message": TEXT, "increment": INTEGERS + FLOATS,
    "decrement": INTEGERS, "element": TEXT,
    "offset": PLACES, "start": RANGE_ENDS, "end": RANGE_ENDS, "stop": RANGE_ENDS, "bit": BIT,
    "encoding": FIELDS, "len": SMALL, "min-match-len": SMALL,
    "seconds": SECONDS, "milliseconds": MILLIS, "unix-time-seconds": UNIX_S,
    "unix-time-milliseconds": UNIX_MS, "ttl": [b"0", b"-1", b"x"] * 3000 + MILLIS[:len(APART)],
    "index": DATABASES, "index1": DATABASES, "index2": DATABASES, "db": DATABASES,
    "destination-db": DATABASES, "cursor": [b"0"], "count": SMALL + [b"1000"] * 9 + [b"x"],
    "type": TYPES, "protover": [b"2"] * 4 + [b"3"] * 4 + [b"1", b"4", b"x", b"", BIG],
    "username": [b"default", b"nobody", b""], "password": [b"", b"x"], "clientname": NAMES,
    "connection-name": NAMES, "channel": CHANNELS, "shardchannel": CHANNELS,
    "operation": [b"AND", b"OR", b"XOR", b"NOT", b"and", b"NAND", b""],
    "command-name": [b"get", b"SET", b"nosuch", b"config|get", b"MSET", b"client|no", b"client"],
    "section": [b"server", b"all", b"nosuch"], "numreplicas": [b"0", b"0", b"-1", b"x", b""],
    "numlocal": [b"0", b"0", b"1", b"2", b"x"], "timeout": [b"1"] * 3 + [b"-1", b"x"],
    "client-id": [b"0", b"-1", b"x", BIG], "category": [b"string", b"READ", b"nosuch"],
    "module-name": [b"x"], "parameter": [b"maxmemory-samples", b"nosuch", b"hz", b"lfu-log-factor"],
    "frequency": [b"0", b"255", b"256", b"x"], "command": [b"get", b"mset", b"nosuch"],
    "subcommand": [b"nosuch"], "reset": [b"x"],
}
TYPED = {"string": VALUES, "integer": INTEGERS, "double": FLOATS, "key": KEYS, "pattern": PATTERNS,
         "unix-time": UNIX_S + UNIX_MS}
# Where one name means two things.
PLACED = {
    ("setbit", "offset"): BITS, ("getbit", "offset"): BITS, ("bitfield", "offset"): BITS,
    ("bitfield_ro", "offset"): BITS, ("incrby", "increment"): INTEGERS,
    ("bitfield", "value"): INTEGERS, ("bitfield", "increment"): INTEGERS, ("setbit", "value"): BIT,
    ("expireat", "unix-time-seconds"): UNIX_S + OVER,
    ("pexpireat", "unix-time-milliseconds"): UNIX_MS + OVER,
    ("psubscribe", "pattern"): CHANNEL_PATTERNS, ("punsubscribe", "pattern"): CHANNEL_PATTERNS,
    ("pubsub|channels", "pattern"): CHANNEL_PATTERNS, ("keys", "pattern"): PATTERNS,
    ("getex", "seconds"): SECONDS, ("scan", "count"): [b"1000"] * 9 + [b"0", b"-1", b"x"],
}


def pool(command, name, kind):
    """What to choose from for the argument of this name and type."""
    return (PLACED.get((command, name)) or (KEYS if kind == "key" else NAMED.get(name))
            or TYPED.get(kind) or VALUES)
