"""`python -m service` is `plimsoll`."""

from service.cli import main

if __name__ == "__main__":
    main()
