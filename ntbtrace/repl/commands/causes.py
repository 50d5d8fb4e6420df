# SPDX-License-Identifier: GPL-2.0-or-later
"""Why something is as it is; and where a replay first differs."""

from ntbtrace.errors import NtbTraceError
from ntbtrace.repl.arguments import Register
from ntbtrace.repl.divergence import describe
from ntbtrace.repl.registry import command
from ntbtrace.repl.run import arrive
from ntbtrace.repl.session import Session
from ntbtrace.repl.why import why_event, why_register
from ntbtrace.replay.divergence import Divergence
from ntbtrace.replay.player import Player

GROUP = "causes"


@command(GROUP)
def why(session: Session, register: Register | None = None) -> None:
    """Why the event here happened, or why a register holds what it holds: the chain of causes.

    It goes across the bridge, to the guest that began it. Of an interrupt: which bits raised it, and who set them. Of
    an access that did not pass: what was in its way, and since when. Of a read: since when the register holds that.

    Examples: why, why 2:NTINTSTS.DBELL
    """
    if register is not None:
        targets = session.targets(register.port, register.ids)
        if register.port is None:
            targets = [t for t in targets if t >> 24 not in session.ports or t >> 24 == session.port] or targets
        for target in targets:
            for line in why_register(session, target, register.mask(session.registers, target)):
                session.out.line(line)
        return
    here = session.here
    if here is None:
        raise NtbTraceError("at the start there is no event; `why REGISTER` explains a register")
    for line in why_event(session, here):
        session.out.line(line)


@command(GROUP)
def verify(session: Session) -> None:
    """Replay all of the recording against the model, and go to where it first differs.

    Every answer, interrupt and memory access is compared, as `ntbtrace replay` does. In a script: exit code 1 if it
    differs.
    """
    goto_divergence(session)
    if first_divergence(session) is not None:
        session.failed = True


def goto_divergence(session: Session) -> None:
    """Be where the replay first differs, and say how; at the place where it is, if it does not."""
    found = first_divergence(session)
    if found is None:
        session.out.line(f"identical: all {len(session.trace):,} events replay as they were recorded")
        return
    arrive(session, found.seq + 1)
    for line in describe(session.trace, found):
        session.out.line(line)


def first_divergence(session: Session) -> Divergence | None:
    """Performs the whole trace, once in a session."""
    if session.verified is None:
        player = Player(session.trace)
        with session.out.progress("replay", session.end) as say:
            found = None
            for block in session.trace.blocks:
                found = player.run(block.last_seq + 1)
                say(player.position)
                if found is not None:
                    break
        session.verified = (found,)
    return session.verified[0]
