"""`ifru`: the erasure desk from a shell. Each command is a dataclass, whose fields are its arguments and whose text is its help."""

import difflib
import inspect
import sys
from collections.abc import Sequence

import tyro

from ifru_jax.command.importing import Import
from ifru_jax.command.line import OPTIONS, Exit, options_of, status_of
from ifru_jax.command.records import Compact, History, Migrate, Report, Scan, Verify, VerifyRecord
from ifru_jax.command.requests import Correct, EndGrace, Erased, Forget, Preview, Settle, Undo
from ifru_jax.command.show import say, table
from ifru_jax.command.train import Export, NewKey, Recommend, Train
from ifru_jax.command.why import Explain
from ifru_jax.errors import DataError

COMMANDS = {
    "key": NewKey,
    "train": Train,
    "import": Import,
    "recommend": Recommend,
    "explain": Explain,
    "preview": Preview,
    "forget": Forget,
    "correct": Correct,
    "settle": Settle,
    "undo": Undo,
    "end-grace": EndGrace,
    "erased": Erased,
    "verify": Verify,
    "history": History,
    "migrate": Migrate,
    "report": Report,
    "verify-record": VerifyRecord,
    "compact": Compact,
    "scan": Scan,
    "export": Export,
}

ABOUT = """Makes a recommender forget people, and shows that it did. A store is a folder with a model, its data and its history:

    ifru key shop.key
    ifru train movielens-small --store shop --key shop.key --grace 30d
    ifru preview shop --user 42 --key shop.key
    ifru forget shop --user 42 --key shop.key
    ifru verify-record shop --key shop.key
"""
STATUSES = "Exit status: 0 done; 1 the answer is no; 2 an error, nothing was done; 3 done in part; 4 somebody else writes."


def run(arguments: Sequence[str] | None = None) -> int:
    """Reads the arguments (None: of the process), runs the command, and returns its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("--help", "-h"):
        overview()
        return Exit.DONE
    if given[0] not in COMMANDS:
        near = difflib.get_close_matches(given[0], COMMANDS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        return status_of(_refuse, f"there is no command {given[0]!r}.{hint} The commands are {', '.join(COMMANDS)}.")
    kind = COMMANDS[given[0]]
    command = tyro.cli(kind, prog=f"ifru {given[0]}", description=_help(kind), args=given[1:])
    told = OPTIONS.set(options_of(command))
    try:
        return status_of(command.run)
    finally:
        OPTIONS.reset(told)


def overview() -> None:
    """All commands in a line each."""
    say(f"usage: ifru COMMAND …\n\n{ABOUT}")
    table(("command", ""), [(name, _help(kind).partition("\n")[0]) for name, kind in COMMANDS.items()])
    say(f"\nEach has help of its own, such as `ifru forget --help`.\n{STATUSES}")


def _help(kind: type) -> str:
    """What a command is, without its arguments."""
    return inspect.cleandoc(kind.__doc__ or "").partition("\nAttributes:")[0].rstrip()


def _refuse(message: str) -> None:
    raise DataError(message)
