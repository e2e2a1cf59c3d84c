"""What tests of this project, and of adapters written elsewhere, are made of: samples, laws, a real server.

Shipped on purpose. Import its modules by name: `strategies` needs hypothesis, a test-only dependency.
"""

from __future__ import annotations

__all__: list[str] = []
