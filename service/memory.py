"""Where large blocks of memory go when they are freed: by glibc's allocator, others may do as they
like. Each process says once which of the two it is."""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h; a setting also ends glibc's own tuning
LARGE_BYTES = 2**20
KEPT_BYTES = 128 * 2**20


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
