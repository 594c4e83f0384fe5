"""`python -m service` is `plimsoll`; the supervisor starts its children this way."""

from service.cli import main

if __name__ == "__main__":
    main()
