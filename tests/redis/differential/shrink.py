"""shrink -- the smallest stream found that still shows a difference.

Lines (one command of one client each, or a conversation) are left out in ever smaller parts while
the answers still differ; then arguments are made shorter.
"""

import time

from .stream import Conversation, Step

GIVE_UP_S = 30


def lines_of(steps):
    for step in steps:
        if isinstance(step, Conversation) or step.mark is not None:
            yield step
        else:
            for command in step.commands:
                yield Step(step.client, [command], inline=step.inline)


def joined(lines):
    """Lines of one client, one after another, in one pipeline again."""
    steps = []
    for line in lines:
        last = steps[-1] if steps else None
        if (isinstance(line, Step) and isinstance(last, Step) and line.mark is last.mark is None
                and (last.client, last.inline) == (line.client, line.inline)):
            steps[-1] = Step(line.client, last.commands + line.commands, inline=line.inline)
        else:
            steps.append(line)
    return steps


def shorter(line):
    """The same line with one of its words made short."""
    if isinstance(line, Conversation):
        return
    for i, command in enumerate(line.commands):
        for j, word in enumerate(command):
            if len(word) > 20 and j > 0:
                commands = list(line.commands)
                commands[i] = (*command[:j], word[:len(word) // 2], *command[j + 1:])
                yield Step(line.client, commands, line.pieces, line.inline, line.mark)


def shrink(play, steps, found):
    """A stream that ends in a difference, and the difference. The first step stays."""
    clean, steps = steps[:1], steps[1:found.place + 1]
    best, deadline = found, time.monotonic() + GIVE_UP_S

    def differs(lines):
        nonlocal best
        again = play(clean + joined(lines))
        if again is None or again.kind() != found.kind():
            return False
        best = again
        return True

    lines = list(lines_of(steps))
    if not differs(lines):
        return clean + steps, found
    part = len(lines) // 2
    while part > 0 and time.monotonic() < deadline:
        at = len(lines)
        while at > 0 and time.monotonic() < deadline:
            fewer = lines[:max(0, at - part)] + lines[at:]
            if fewer and differs(fewer):
                lines = fewer
            at -= part
        part //= 2
    for i in range(len(lines)):
        is_shorter = True
        while is_shorter and time.monotonic() < deadline:
            is_shorter = False
            for line in shorter(lines[i]):
                if differs(lines[:i] + [line] + lines[i + 1:]):
                    lines[i], is_shorter = line, True
                    break
    differs(lines)
    return clean + joined(lines), best


def shown(steps):
    """As text that a person can follow, a command a line."""
    for step in steps:
        if isinstance(step, Conversation):
            yield f"conversation {step.data!r} in {step.pieces}"
        else:
            for command in step.commands:
                words = " ".join(repr(w)[1:] for w in command)
                yield f"client {step.client}: {words}"
