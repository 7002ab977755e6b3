"""The same bytes to varve and to a real redis-server, the same answers?

reply      RESP as bytes: where a reply ends, what it consists of
link       connections to both servers, and what came back on them
difference what may differ and why: differences.toml, read and counted
argument   words that are interesting where a command takes a key, a value, a number
grammar    commands made of them, from varve's own COMMAND DOCS and COMMAND INFO
stream     what several clients say, one after the other; plays it to both servers
fuzzer     random streams from a seed
shrink     the smallest stream that still shows a difference
case_*     streams thought out by people
"""
