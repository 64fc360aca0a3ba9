"""Read whole files in bounds: a name may lead to a device that never ends, or to a sparse file.

Every file that is read whole is read by :func:`read_bounded`; files of any length are streamed, by
:class:`molvae.datasets.text_files.Lines`.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

SMALL = 10_000_000
"""Bytes that a file written by hand may have: a recipe, a scorer."""


def read_bounded(path: str | Path, limit: int | None = None) -> bytes:
    """The content of a file of at most ``limit`` bytes, of any that fits in memory without one.

    Its size is looked at before anything is read. Raises OSError with the path in it, also for a
    file that is too large or, without a limit, is no regular file."""
    with open(path, "rb") as handle:
        size = os.fstat(handle.fileno()).st_size
        room = size if limit is None else limit
        if size > room:
            raise OSError(errno.EFBIG, f"is larger than {room:,} bytes", str(path))
        if size > memory():
            raise OSError(errno.ENOMEM, "is larger than this machine's memory", str(path))
        try:
            # One more than there should be: what is no regular file has no size.
            content = handle.read(min(room, max(size, SMALL)) + 1)
        except MemoryError:
            raise OSError(errno.ENOMEM, "does not fit in memory", str(path)) from None
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
    if len(content) > room:
        raise OSError(errno.EFBIG, f"is larger than {room:,} bytes", str(path))
    return content


def memory() -> int:
    """Bytes of memory that this machine has; without bound where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 1 << 62
