"""A process's memory: how often garbage is looked for, where large blocks go when they are freed.

Of the blocks each process says once which of the two it is; that is for glibc's allocator, others
may do as they like.
"""

import ctypes
import gc

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h; a setting also ends glibc's own tuning
LARGE_BYTES = 2**20
KEPT_BYTES = 128 * 2**20
# A collection looks at every object there is: it lifted the slowest call from 1 to 30 ms.
COLLECT_AFTER = (100_000, 50, 50)


def never_collect() -> None:
    """Have Python look for no garbage until `collect_seldom`: for a start, whose imports stay.

    It would look at all of them over and over, which takes a tenth of a start.
    """
    gc.disable()


def collect_seldom() -> None:
    """Have Python look for garbage seldom."""
    gc.set_threshold(*COLLECT_AFTER)
    gc.enable()


def calm_collector() -> None:
    """Take what the start made out of the garbage collector's sight, and let it look seldom.

    Of a quarter of a million objects less than a thousand are garbage: to find them would take
    0.1 s.
    """
    gc.freeze()
    collect_seldom()


def give_back_large_blocks() -> None:
    """Let the memory of large arrays go back to the system at once.

    A column that grows is copied to a larger place. glibc keeps the former places of up to 32 MiB
    for later, where nothing of the size comes later: with a million pools that was more than the
    book.
    """
    _tell(_M_MMAP_THRESHOLD, LARGE_BYTES)


def keep_large_blocks() -> None:
    """Keep the memory of large arrays for the next ones, up to KEPT_BYTES.

    An answer of 10,000 positions takes 40 MB of texts. To have them from the system anew, page by
    page, takes a quarter of the call.
    """
    _tell(_M_MMAP_THRESHOLD, KEPT_BYTES)
    _tell(_M_TRIM_THRESHOLD, KEPT_BYTES)


def _tell(parameter: int, value: int) -> None:
    allocator = ctypes.CDLL(None)
    if hasattr(allocator, "mallopt"):
        allocator.mallopt(parameter, value)
