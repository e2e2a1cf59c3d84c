"""What Kibana shows of the documents: data views, saved searches and Lens dashboards, made for a sink's prefix.

Pure but for `importing.py`. `monitor setup kibana` writes or imports them; `dashboards/kibana/` holds those of the
default prefix. Each panel is described by what it asks; the saved objects' form is that of Kibana 8.10 and later.
"""

from __future__ import annotations

from monitor.sinks.elasticsearch.kibana.export import ndjson, objects
from monitor.sinks.elasticsearch.kibana.place import Place

__all__ = ["Place", "ndjson", "objects"]
