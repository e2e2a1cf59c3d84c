"""The demo: a small Dify in memory, played as if it lived, through the real pipeline.

`recording`, `world` and `source` are that Dify; `house` is the real wiring around it, with `screen` as a second sink;
`story` tells it once and checks it (`truth`, `outcome`), `serving` goes on without end. Called by `monitor demo`.
"""

from __future__ import annotations

__all__: list[str] = []
