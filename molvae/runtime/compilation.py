"""How array code is compiled: by numba at the first call, kept on disk where a folder can be
written.

Knows nothing of what is compiled.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import extending, njit, types
from numba.core import event
from numba.core.registry import cpu_target
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])
Array = TypeVar("Array", bound=NDArray[Any])

LOG = logging.getLogger(__name__)


class FirstTime(event.Listener):
    """Logs, once, that a function of molvae is compiled because none was found on disk."""

    def __init__(self) -> None:
        self.process, self.told = os.getpid(), False

    def on_start(self, event: Any) -> None:
        """Numba begins to compile a function, somebody's."""
        if not self.told and event.data["dispatcher"] in COMPILED and os.getpid() == self.process:
            LOG.info("compiling for this processor: about half a minute, the first time")
            self.told = True

    def on_end(self, event: Any) -> None:
        """It is compiled."""


COMPILED: list[Any] = []
event.register("numba:compile", FirstTime())  # type: ignore[no-untyped-call]


def compiled(widening: bool = True, **options: Any) -> Callable[[Function], Function]:
    """Compile a function with numba, the interpreter lock released; ``options`` are those of
    ``numba.njit``.

    With ``widening`` other compiled code calls it as :func:`widened` says.
    """

    def decorate(function: Function) -> Function:
        try:
            dispatcher: Any = njit(cache=True, nogil=True, **options)(function)
        except RuntimeError:  # numba found no folder that it may write to
            dispatcher = njit(nogil=True, **options)(function)
        if widening:
            widen(dispatcher)
        COMPILED.append(dispatcher)
        return cast(Function, dispatcher)

    return decorate


def widen(dispatcher: Any) -> None:
    """Have compiled code call a function with :func:`widened` arguments, where numba asks for them
    in the known way.
    """
    find = getattr(dispatcher, "get_call_template", None)
    if find is None:  # also where compiling is switched off
        return

    def find_wide(arguments: Any, named: Any) -> Any:
        return find(
            tuple(map(widened, arguments)), {name: widened(kind) for name, kind in named.items()}
        )

    dispatcher.get_call_template = find_wide


def widened(kind: Any) -> Any:
    """The type in which compiled code hands an argument to compiled code: integers in 64 bits,
    constants too.

    Left alone, numba compiles a function anew for every width and every constant that it is called
    with, which is a quarter of all the time that compiling takes."""
    kind = cast(Any, types).unliteral(kind)
    return (
        types.int64 if isinstance(kind, cast(Any, types).Integer) and kind.bitwidth < 64 else kind
    )


def lent(array: Array) -> Array:
    """The same array, to whose users compiled code does not count references; somebody must hold it
    all the while.

    Counting takes an atomic addition for every array and call, inlined or not, wherever numba
    cannot prove that it comes to nothing: more time than a small function takes for its work. So
    kernels of many small functions lend these their arrays, which the caller of the kernel holds.
    """
    return array


def _disowned(context: Any, kind: Any) -> Any:
    """How an array becomes one that knows of no owner."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.return_type)(context, builder, arguments[0])
        array.meminfo, array.parent = array.meminfo.type(None), array.parent.type(None)
        return array._getvalue()

    return kind(kind), generate


_without_owner: Any = cast(Any, extending).intrinsic(_disowned)


def _lent(array: Any) -> Any:
    """What compiled code calls instead of :func:`lent`."""

    def lend(array: Any) -> Any:
        return _without_owner(array)

    return lend


cast(Any, extending).overload(lent)(_lent)


def prepare_to_fork() -> None:
    """Load what numba loads at the first call of any compiled function, a third of a second, before
    workers are forked.

    They share it then; left to them, each would load its own.
    """
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()
