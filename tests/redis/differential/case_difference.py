"""case_difference -- every row of differences.toml says what is so."""


def every_witness_differs(pair):
    """What a row says to show it shows it."""
    for row, witness in pair.player.differences.witnesses():
        used, found = row["used"], []
        pair.player.differences.staged = row
        if isinstance(witness, bytes):
            pair.raw(witness, found)
        else:
            pair.ask_all([[("FLUSHALL",), *witness]], found)
        pair.check(found)
        assert row["used"] > used, f"{row['commands']}: {witness!r:.80} is answered alike"
    pair.player.differences.staged = None
