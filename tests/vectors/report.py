"""`python -m tests.vectors.report`: reproduced of applicable by venue, exceptions explained."""

import sys

from tests.vectors.published import shared_folder, vectors
from tests.vectors.verdicts import judge, table
from tests.vectors.worker import evaluate_by_api


def main() -> int:
    """Print the table; 1 when a vector that is no exception came out otherwise."""
    known = vectors()
    if not known:
        print(f"no vectors: {shared_folder()} is not there (PLIMSOLL_SHARED says where)")
        return 0
    ask = evaluate_by_api()
    verdicts = [judge(ask, vector) for vector in known]
    print("\n".join(table(verdicts)))
    return int(any(verdict.missed for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
