"""``molvae``: the group of verbs; errors become messages and exit codes here alone.

Exit codes: 0 done, 1 could not do it, 2 wrong usage, 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import shlex
import signal
import sys
import threading
import time
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

import click

from molvae.errors import MolvaeError
from molvae.runtime.signals import Stopped, answered

from .output import mend_streams, note, on_terminal, silence

VERBS = {
    "demo": "Run the whole job on a small bundled data set, in about a minute.",
    "prepare": "Read molecules once into a data set ready for training.",
    "train": "Train a model on a file of SMILES.",
    "sample": "Draw new molecules from a model.",
    "distinct": "Leave each molecule of a folder of samples once.",
    "analogs": "Draw molecules like a lead.",
    "combine": "Add and take away latents: A - B + C.",
    "interpolate": "Walk from one molecule to another.",
    "optimize": "Look for molecules with better properties.",
    "encode": "Molecules to latent vectors.",
    "decode": "Latent vectors to molecules.",
    "likelihood": "Add what a model finds likely to a table of molecules.",
    "score": "Add properties and alerts to a table of molecules.",
    "evaluate": "Measure a model on held-out molecules, or judge molecules from anywhere.",
    "draw": "Draw the first molecules of a table.",
    "map": "Show molecules as a map of latent space, in one HTML file.",
    "explore": "Turn a lead into candidates, on a page in the browser.",
    "report": "Make a page of a table, to look at, sort and filter.",
    "info": "Describe a model, from its files alone.",
    "models": "List the trained models that come with molvae.",
    "export": "Make a trained model ready to give away.",
}


class Verbs(click.Group):
    """The verbs, each imported when it is used, so that --help loads neither torch nor RDKit."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order of a first day's work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of a verb."""
        if name not in VERBS:
            return None
        command: click.Command = getattr(import_module(f".{name}", __package__), name)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the command line as it was given, for the foot of pages."""
        ctx.obj = shlex.join(["molvae", *args])
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; a reader that has had enough, such as head, ends it quietly."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click would exit with 1 if this went on up
            silence("stdout")
            return 0

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Look a verb up; a wrong one is answered with the nearest."""
        import difflib

        if args and args[0] not in VERBS and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else f" There are: {', '.join(VERBS)}."
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs with a line each, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


def show_versions(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    """Print molvae's version and those of what decides its results."""
    if not value or ctx.resilient_parsing:
        return
    import platform
    from importlib.metadata import version

    packages = ("torch", "rdkit", "selfies", "numpy", "pandas")
    others = ", ".join(f"{name} {version(name)}" for name in packages)
    click.echo(f"molvae {version('molvae')} (python {platform.python_version()}, {others})")
    ctx.exit()


@click.group(
    cls=Verbs,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "show_default": True,
        "max_content_width": 100,
    },
    epilog='Shell completion: eval "$(_MOLVAE_COMPLETE=bash_source molvae)"',
)
@click.option(
    "--version",
    is_flag=True,
    callback=show_versions,
    expose_value=False,
    is_eager=True,
    help="Versions, and exit.",
)
def cli() -> None:
    """Propose new molecules: train a variational autoencoder on SMILES, then sample and explore.

    \b
    molvae demo                                  everything once, in about a minute
    molvae train molecules.csv -o model/         train on your own molecules
    molvae sample -m model/ -n 1000 > new.csv    draw new ones
    molvae score new.csv -o scored.csv           QED, SA, logP, alerts, scaffold
    """


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    mend_streams()
    stop, limits = Stop(), gc.get_threshold()
    # Objects made at the start stay: collecting among them often is in vain.
    gc.set_threshold(10_000, *limits[1:])
    code = 0
    before, sys.unraisablehook = sys.unraisablehook, stop.swallowed
    try:
        with answered(stop.answer):
            code = run(args)
    except BaseException:
        # A library that is being imported may turn the exception of a signal into one of its own.
        if stop.number is None:
            raise
    finally:
        gc.set_threshold(*limits)
        sys.unraisablehook = before
    if stop.number is not None:
        note("Interrupted." if stop.number == signal.SIGINT else "Terminated.")
        code = 128 + stop.number
    sys.exit(code)


class Notes(logging.Handler):
    """Log messages of the library: warnings, and on a terminal all."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line on stderr."""
        if record.levelno >= logging.WARNING or on_terminal():
            note(record.getMessage())


def run(args: list[str] | None) -> int:
    """The exit code of a command line, its errors reported in words."""
    library = logging.getLogger("molvae")
    library.setLevel(logging.INFO)
    library.handlers = [Notes()]
    try:
        result = cli.main(args, prog_name="molvae", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        with contextlib.suppress(OSError):
            error.show()
        return error.exit_code
    except MolvaeError as error:
        note(f"Error: {error}")
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        note("Interrupted.")
        return 130
    except BrokenPipeError:
        silence("stdout")
        return 0
    except OSError as error:
        if error.errno is None or (error.filename is None and not error.strerror):
            raise
        where = f"{error.filename}: " if error.filename else ""
        note(f"Error: {where}{error.strerror}")
        try:
            sys.stdout.flush()
        except (OSError, ValueError):
            silence("stdout")
        return 1
    return result if isinstance(result, int) else 0


class Stop:
    """Answers a signal by unwinding, so that no half-written file and no worker stays behind."""

    PATIENCE = 1.0
    """Seconds of unwinding that no further signal disturbs."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.last = float("-inf")

    def answer(self, number: int, frame: FrameType | None) -> None:
        """Raise Stopped, once this does no harm; again for a later signal, in case the first one
        was swallowed."""
        self.number = self.number or number
        if is_fragile(frame):
            self.come_again()
        elif time.monotonic() - self.last > self.PATIENCE:
            self.last = time.monotonic()
            raise Stopped(number)

    def swallowed(self, found: sys.UnraisableHookArgs) -> None:
        """Answer exceptions that Python swallows, as in a hook of a fork: that of a signal comes
        again, and what fails while it unwinds is its consequence."""
        if self.number is None:
            sys.__unraisablehook__(found)
        elif isinstance(found.exc_value, Stopped):
            self.last = float("-inf")
            self.come_again()

    def come_again(self) -> None:
        """Have the signal come again in a moment."""
        again = threading.Timer(0.01, signal.raise_signal, [self.number])
        again.daemon = True
        again.start()


FRAGILE = {"__del__", Stop.swallowed.__name__, Stop.come_again.__name__}
"""Functions in which an exception would be swallowed; of LLVM's it would leave memory broken."""


def is_fragile(frame: FrameType | None) -> bool:
    """True if an exception must not be raised in a frame, for what called it."""
    while frame is not None:
        if frame.f_code.co_name in FRAGILE or "llvm" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False
