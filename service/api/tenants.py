"""Whose data a request is about."""

from starlette.requests import HTTPConnection

from service.store.keys import DEFAULT_TENANT


def tenant_of(_request: HTTPConnection) -> str:
    """Return the tenant of a request or socket: there is one."""
    return DEFAULT_TENANT
