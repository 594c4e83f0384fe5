"""`plimsoll owe`: will I owe money? One position in a line; needs no service, no marks."""

from math import inf
from typing import Annotated, Literal

import typer

from service.contract.names import VENUES


def owe(
    symbol: Annotated[str, typer.Argument(help="As BTC/USDT:USDT; BTC/USD:BTC is inverse.")],
    side: Annotated[Literal["long", "short"], typer.Argument(help="Which way.")],
    contracts: Annotated[float, typer.Argument(help="How many coins; inverse: dollars.")],
    entry: Annotated[float, typer.Argument(help="The entry price.")],
    *,
    leverage: Annotated[float | None, typer.Option(help="Says the margin.")] = None,
    margin: Annotated[float | None, typer.Option(help="The margin, or the cross wallet.")] = None,
    mark: Annotated[float | None, typer.Option(help="The mark; else the entry price.")] = None,
    cross: Annotated[bool, typer.Option("--cross", help="A cross wallet backs it.")] = False,
    venue: Annotated[str, typer.Option(help="Whose rules.")] = "generic",
    maintenance: Annotated[float, typer.Option(help="Percent of the notional.")] = 0.5,
    fee: Annotated[float, typer.Option(help="Taker fee, percent.")] = 0.05,
    gap: Annotated[float, typer.Option(help="A jump against it, percent of the mark.")] = 10.0,
) -> None:
    """Will I owe money? Where a position is liquidated, where it is a debt, and who pays."""
    from service.owe_words import Asked, is_linear, lines_of  # noqa: PLC0415 - costs a second

    if venue not in VENUES:
        raise typer.BadParameter(f"one of {', '.join(VENUES)}", param_hint="--venue")
    if (margin is None) == (leverage is None):
        raise typer.BadParameter("say either --leverage or --margin")
    price = entry if mark is None else mark
    positive = {"CONTRACTS": contracts, "ENTRY": entry, "--mark": price, "--gap": gap}
    for hint, number in (positive | {"--leverage": 1.0 if leverage is None else leverage}).items():
        if not 0.0 < number < inf:
            raise typer.BadParameter("a number above 0", param_hint=hint)
    if not (0.0 <= maintenance <= 100.0 and 0.0 <= fee <= 100.0):
        raise typer.BadParameter("--maintenance and --fee are 0 to 100 percent")
    if side == "long" and gap >= 100.0:
        raise typer.BadParameter("no price falls by all of it", param_hint="--gap")
    notional = contracts * entry if is_linear(symbol) else contracts / entry
    money = notional / leverage if leverage is not None else margin
    if money is None or not -inf < money < inf:
        raise typer.BadParameter("a finite number", param_hint="--margin")
    asked = Asked(
        symbol,
        side,
        contracts,
        entry,
        price,
        money,
        not cross,
        venue,
        maintenance / 100.0,
        fee / 100.0,
        gap,
    )
    for line in lines_of(asked):
        typer.echo(line)
