"""What answers HTTP: `/metrics` and the health checks. It is handed functions and knows no worker and no journal.

`app` (the pages and the thread that serves them). Answering is plain `def`; only uvicorn's loop is asynchronous, in a
thread of its own.
"""

from __future__ import annotations

from monitor.server.app import HttpServer, build_app

__all__ = ["HttpServer", "build_app"]
