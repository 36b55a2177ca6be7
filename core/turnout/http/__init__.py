"""HTTP as the core sees it: the views that an adapter gives of its server's request."""

from turnout.http.request import Address, Principal, ServerHttpRequest
from turnout.http.response import ServerHttpResponse

__all__ = ["Address", "Principal", "ServerHttpRequest", "ServerHttpResponse"]
