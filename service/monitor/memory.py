"""What a column took before it grew goes back to the system.

A column that grows is copied to a larger place. glibc keeps the former places of up to 32 MiB for
later, where nothing of the size comes later: with a million pools that was more than the book.
"""

import ctypes

_M_MMAP_THRESHOLD = -3  # of malloc.h; setting it also stops glibc from raising it by itself
LARGE_BYTES = 2**20


def give_back_large_blocks() -> None:
    """Let the memory of large arrays go back when they are freed; for glibc, others may do so."""
    allocator = ctypes.CDLL(None)
    if hasattr(allocator, "mallopt"):
        allocator.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
