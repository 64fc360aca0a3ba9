"""Options that several verbs share, so that they mean the same everywhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click

from molvae.config import OLD_KEYS, OLD_VALUES, SECTIONS
from molvae.errors import UsageError
from molvae.storage import pretrained

from .output import note

Command = TypeVar("Command", bound=Callable[..., Any])


def number_in(low: float, high: float, *, open_low: bool = False) -> Callable[[Any], float]:
    """The type of options that are a finite number within bounds; click's own floats let nan and
    inf through."""

    def convert(value: Any) -> float:
        try:
            number = plain_float(value)
        except ValueError:
            raise click.BadParameter(f"{value!r} is not a number.") from None
        low_ok = number > low if open_low else number >= low
        if not math.isfinite(number) or not low_ok or number > high:
            raise click.BadParameter(f"{value!r} is not between {low:g} and {high:g}.")
        return number

    return convert


def count_in(low: int = 1, high: float = math.inf) -> Callable[[Any], int]:
    """The type of options that are a whole number within bounds, which may be written 1e6."""

    def convert(value: Any) -> int:
        try:
            number = plain_float(value)
            if not number.is_integer():
                raise ValueError
            # A float cannot hold every digit of a large seed.
            digits = isinstance(value, int) or value.lstrip("+-").isdigit()
            count = int(value if digits else number)
        except (ValueError, OverflowError):
            raise click.BadParameter(f"{value!r} is not a whole number.") from None
        if count < low:
            raise click.BadParameter(f"{value!r} is less than {low}.")
        if count > high:
            raise click.BadParameter(f"{value!r} is more than {high}.")
        return count

    return convert


def plain_float(value: Any) -> float:
    """The number in ``value``; ValueError for what only Python takes for one, such as 1_0."""
    if "_" in str(value):
        raise ValueError(value)
    return float(value)


def model_option(command: Command) -> Command:
    """``-m``: the model, by default the shipped one."""
    text = "Folder of a trained model, name of a shipped one (molvae models), or hf:owner/name."
    shown = f"{text} [default: {pretrained.DEFAULT}]" if pretrained.default() else text
    return click.option("-m", "--model", callback=chosen_model, metavar="MODEL", help=shown)(
        command
    )


def chosen_model(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """The folder of the model that is named, else of the default; UsageError without any."""
    if value is not None or ctx.resilient_parsing:
        return named_model(ctx, param, value)
    try:
        return str(pretrained.find())
    except UsageError as error:
        raise click.UsageError(f"Missing {param.get_error_hint(ctx)}: {error}.", ctx) from error


def named_model(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """The folder of the model that is named, if any is, with a note on a folder that it hides."""
    if value is None or ctx.resilient_parsing:
        return value
    if value in pretrained.names() and Path(value).exists():
        note(
            f"{value} is the model shipped with molvae; for the folder of that name write ./{value}"
        )
    return str(pretrained.find(value))


output_option = click.option(
    "-o",
    "--output",
    default="-",
    metavar="PATH",
    help="File to write, - for stdout; compressed if it ends in .gz.",
)
"""``-o``: where the result goes."""

force_option = click.option("--force", is_flag=True, help="Overwrite what is already there.")
"""``--force``: overwrite."""

report_option = click.option(
    "--report",
    "page",
    metavar="PATH",
    help="Page to write too, .html: one file to look at, without a network.",
)
"""``--report``: a page beside the table."""

excel_safe_option = click.option(
    "--excel-safe",
    is_flag=True,
    help="Put an apostrophe before text that a spreadsheet would run as a formula; numbers "
    "stay as they are.",
)
"""``--excel-safe``, for verbs that write text of the user's: molvae's own is no formula."""

keep_option = click.option(
    "--keep", default="", metavar="SMARTS", help="Only molecules with this substructure."
)
"""``--keep``: a condition on substructures."""

page_option = click.option(
    "-o", "--output", required=True, metavar="PATH", help="Page to write: .html."
)
"""``-o``, for verbs whose result is a page."""

column_option = click.option(
    "--column",
    metavar="NAME",
    help="Column with the SMILES, by name or number. [default: found by name or content]",
)
"""``--column``: which column holds the SMILES."""

workers_option = click.option(
    "--workers",
    type=count_in(1, 1024),
    metavar="N",
    help="Worker processes, at most 1024. [default: every core]",
)
"""``--workers``: processes."""


def scorer_options(more: str) -> Callable[[Command], Command]:
    """``--scorer``, ``more`` said of it, and ``--scorer-timeout``."""
    scorer = click.option(
        "--scorer",
        "scorers",
        multiple=True,
        metavar="FILE.PY:FUNCTION",
        help="A score of your own: a Python function that takes an RDKit molecule and returns a "
        f"number. {more}",
    )
    timeout = click.option(
        "--scorer-timeout",
        type=number_in(0.0, 1e6, open_low=True),
        default=None,
        metavar="SECONDS",
        help="Give up a molecule whose scores take longer, and end the processes that they have "
        "started.  [default: no limit]",
        # Without a limit, too, a scorer runs in a process of its own, which it may kill.
        callback=lambda ctx, _, value: value or (math.inf if ctx.params["scorers"] else 0.0),
    )
    return lambda command: scorer(timeout(command))


seed_option = click.option(
    "--seed",
    type=count_in(0, 2**63 - 1),
    default=0,
    metavar="N",
    help="The same seed, the same result.",
)
"""``--seed``: randomness."""

device_option = click.option(
    "--device",
    default="auto",
    metavar="DEVICE",
    help="auto, cpu, cuda, cuda:N or mps; auto takes a GPU if there is one.",
)
"""``--device``: what computes."""


def chosen_device(name: str) -> str:
    """The device that ``--device`` means for this process, checked to be there: several processes
    take a GPU each."""
    import torch

    from molvae.runtime.ranks import world

    here = world()
    usable = ["cpu"]
    if torch.cuda.is_available():
        usable += ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        if name in ("auto", "cuda"):
            name = "cuda" if here.size == 1 else f"cuda:{here.local_rank}"
    if torch.backends.mps.is_available():
        usable.append("mps")
    if name == "auto":
        return "cpu"
    if name not in usable:
        raise click.BadParameter(
            f"{name!r} is not usable here; usable are auto, {', '.join(usable)}.",
            param_hint="--device",
        )
    return name


def load_codec(model: str, device: str, precision: str = "auto") -> Any:
    """The model in a folder, on the device that ``--device`` means, as a ``Codec``."""
    from molvae.generation.codec import Codec

    return Codec.load(model, chosen_device(device), precision)


def old_option(old: str, new: str) -> Callable[[Command], Command]:
    """A hidden option that was renamed; giving it is a usage error that names the new one."""

    def refuse(ctx: click.Context, _: click.Parameter, value: Any) -> None:
        if value is not None and not ctx.resilient_parsing:
            raise click.UsageError(f"{old} is called {new} now.", ctx)

    # With a value that may be missing, so that "--old 1" and "--old" get the same answer.
    return click.option(
        old, hidden=True, expose_value=False, is_flag=False, flag_value="", callback=refuse
    )


def flag_of(name: str) -> str:
    """The option of a configuration field."""
    return f"--{name.replace('_', '-')}"


def config_options(*sections: str) -> Callable[[Command], Command]:
    """One option for every field of configuration sections, with its default and bounds."""

    def decorate(command: Command) -> Command:
        for section in reversed(sections):
            for item in reversed(fields(SECTIONS[section])):
                command = config_option(item.name, item.default, dict(item.metadata))(command)
                for old, new in OLD_KEYS.items():
                    if new == item.name:
                        command = old_option(flag_of(old), flag_of(new))(command)
        return command

    return decorate


class Choice(click.Choice[str]):
    """One of several words; one that had another name before means today's."""

    def __init__(self, choices: tuple[str, ...], old: dict[str, str]) -> None:
        super().__init__(choices)
        self.old = old

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word, or a usage error."""
        return super().convert(self.old.get(value, value), param, ctx)


def config_option(name: str, default: Any, rule: dict[str, Any]) -> Callable[[Command], Command]:
    """The option of one configuration field; None if it is not given."""
    flag = flag_of(name)
    shown = str(default).lower() if isinstance(default, bool) else default
    bounds = "" if rule["low"] is None else f"; {rule['low']:g} to {rule['high']:g}"
    text = f"{rule['help'][0].upper()}{rule['help'][1:]}. [default: {shown}{bounds}]"
    if isinstance(default, bool):
        return click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=text)
    kinds: dict[type, Any] = {
        int: count_in(rule["low"], rule["high"]),
        float: number_in(rule["low"], rule["high"]),
        str: Choice(rule["choices"], OLD_VALUES.get(name, {})),
    }
    metavar = (
        "|".join(rule["choices"]) if rule["choices"] else ("N" if isinstance(default, int) else "X")
    )
    return click.option(
        flag, name, type=kinds[type(default)], default=None, metavar=metavar, help=text
    )
