"""What the user may set, read from one YAML file and the environment, with mistakes told in the user's words.

`load` is the way in. This room knows no adapter: their sections stay raw until `monitor.runtime.wiring`.
"""

from __future__ import annotations

from monitor.config.loader import Loaded, adapter_names, load
from monitor.config.places import Places
from monitor.config.settings import Settings

__all__ = ["Loaded", "Places", "Settings", "adapter_names", "load"]
