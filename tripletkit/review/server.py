"""Starts the review on this machine's loopback address, and opens it in the browser."""

from __future__ import annotations

import socket
import threading
import webbrowser
from collections.abc import Callable

import uvicorn

from tripletkit.errors import ConfigError
from tripletkit.review.folder import OutputFolder
from tripletkit.review.order import Filters, judged, triplet_order
from tripletkit.review.web import create_app

HOST = "127.0.0.1"
#: Seconds that a request which is in progress gets when the server is stopped.
PATIENCE_S = 3


def serve(folder: OutputFolder, *, port: int, reviewer: str, browser: bool, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C. ``port`` 0 takes a free one; ``say`` gets the address. Raises ConfigError for a port in use."""
    # Before anything opens: what is missing, or cannot be used, is reported, and the first page needs no wait.
    triplet_order(folder, Filters())
    judged(folder.reviews, reviewer, blind=False)
    with _bound(port) as listener:
        app = create_app(folder, port=listener.getsockname()[1], reviewer=reviewer)
        address = f"http://{HOST}:{listener.getsockname()[1]}{app.state.base}/"
        say(address)
        if browser:
            threading.Timer(0.5, webbrowser.open, (address,)).start()
        # Without an access log: its lines would hold the token.
        config = uvicorn.Config(
            app,
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=PATIENCE_S,
        )
        uvicorn.Server(config).run(sockets=[listener])


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()  # so that a browser may ask before the server is ready
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"--port {port}: cannot listen there ({error.strerror})", "Name another port, or none."
        ) from error
    return listener
