"""Write one WebSocket handler; run it on any Python server."""

from turnout.capabilities import Capabilities
from turnout.close import CloseStatus
from turnout.errors import (
    BodyTooLargeError,
    ConfigurationError,
    ConnectionClosed,
    EngineError,
    EngineNotInstalledError,
    ForeignAwaitableError,
    HandshakeRefused,
    InvalidCloseError,
    InvalidPayloadError,
    MessageTooBigError,
    ProtocolError,
    SessionLimitExceeded,
    TurnoutError,
    UnknownEngineError,
    UnknownOptionError,
    UnsupportedOptionError,
    UsageError,
)
from turnout.handlers.base import (
    BinaryWebSocketHandler,
    StreamWebSocketHandler,
    SubProtocolCapable,
    TextWebSocketHandler,
    WebSocketHandler,
)
from turnout.handlers.decorators import (
    ExceptionWebSocketHandlerDecorator,
    LoggingWebSocketHandlerDecorator,
    WebSocketHandlerDecorator,
    unwrap,
)
from turnout.handlers.per_connection import PerConnectionWebSocketHandler
from turnout.handshake.handler import HandshakeHandler
from turnout.handshake.http_session import HttpSessionHandshakeInterceptor
from turnout.handshake.interceptors import HandshakeInterceptor
from turnout.handshake.tokens import TokenInterceptor
from turnout.headers import Headers
from turnout.http import Principal, ServerHttpRequest, ServerHttpResponse
from turnout.messages import BinaryMessage, Message, PingMessage, PongMessage, TextMessage
from turnout.options import Deflate, Overflow, WebSocketOptions
from turnout.primitives import Event, Lock, Queue, TaskGroup, sleep, spawn, timeout
from turnout.registration import HttpRequestHandler, WebSocketHandlerRegistration
from turnout.registry import WebSocketHandlerRegistry
from turnout.service import WebSocketService
from turnout.serving import ServerSettings, serve
from turnout.session.blocking import BlockingSession
from turnout.session.broadcast import broadcast, join
from turnout.session.session import WebSocketSession
from turnout.strategy import RequestUpgradeStrategy, Upgrade

__all__ = [
    "BinaryMessage",
    "BinaryWebSocketHandler",
    "BlockingSession",
    "BodyTooLargeError",
    "Capabilities",
    "CloseStatus",
    "ConfigurationError",
    "ConnectionClosed",
    "Deflate",
    "EngineError",
    "EngineNotInstalledError",
    "Event",
    "ExceptionWebSocketHandlerDecorator",
    "ForeignAwaitableError",
    "HandshakeHandler",
    "HandshakeInterceptor",
    "HandshakeRefused",
    "Headers",
    "HttpRequestHandler",
    "HttpSessionHandshakeInterceptor",
    "InvalidCloseError",
    "InvalidPayloadError",
    "Lock",
    "LoggingWebSocketHandlerDecorator",
    "Message",
    "MessageTooBigError",
    "Overflow",
    "PerConnectionWebSocketHandler",
    "PingMessage",
    "PongMessage",
    "Principal",
    "ProtocolError",
    "Queue",
    "RequestUpgradeStrategy",
    "ServerHttpRequest",
    "ServerHttpResponse",
    "ServerSettings",
    "SessionLimitExceeded",
    "StreamWebSocketHandler",
    "SubProtocolCapable",
    "TaskGroup",
    "TextMessage",
    "TextWebSocketHandler",
    "TokenInterceptor",
    "TurnoutError",
    "UnknownEngineError",
    "UnknownOptionError",
    "UnsupportedOptionError",
    "Upgrade",
    "UsageError",
    "WebSocketHandler",
    "WebSocketHandlerDecorator",
    "WebSocketHandlerRegistration",
    "WebSocketHandlerRegistry",
    "WebSocketOptions",
    "WebSocketService",
    "WebSocketSession",
    "broadcast",
    "join",
    "serve",
    "sleep",
    "spawn",
    "timeout",
    "unwrap",
]
