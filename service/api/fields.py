"""`?fields=`: the caller of an evaluation names the fields it wants, and is answered no others."""

from fastapi import Request

from service.api.documents import query_parameter
from service.api.queries import Query
from service.contract.chosen import EVERYTHING, PARAMETER, Chosen, read_chosen

PARAMETERS = ("table", PARAMETER)  # that an evaluation may have
FIELDS_PARAMETER = query_parameter(
    PARAMETER,
    "Only these fields of each account, with commas between them, those inside with dots; `id` is "
    "always there. What is not asked for is not worked out.",
    "level,positions.symbol,positions.liquidationPrice",
    type="string",
)


def chosen_of(request: Request) -> Chosen:
    """Return the fields that are wanted; raises InvalidInput."""
    if not request.scope["query_string"]:
        return EVERYTHING
    text = Query(request, *PARAMETERS).text(PARAMETER)
    return EVERYTHING if text is None else read_chosen(text)
