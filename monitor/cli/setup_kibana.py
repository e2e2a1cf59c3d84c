"""`monitor setup kibana`: data views, saved searches and dashboards for what the elasticsearch sinks write."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from monitor.cli.options import config_option, load_config
from monitor.cli.setup_sinks import chosen_sinks, given_credentials
from monitor.errors import ConfigError

if TYPE_CHECKING:
    from monitor.sinks.elasticsearch.kibana.importing import Kibana

__all__ = ["kibana"]

_KEY, _USER, _PASSWORD = "KIBANA_API_KEY", "KIBANA_USER", "KIBANA_PASSWORD"
_SPACE = re.compile(r"[a-z0-9_-]{1,255}")
_HERE = {"localhost", "127.0.0.1", "::1"}


@click.command(
    epilog="\b\nExit codes:\n"
    "  0    the objects are written, printed or imported\n"
    "  1    Kibana can't be reached, or refuses\n"
    "  2    the configuration or the command line is wrong\n"
    "\b\nSuch as:\n"
    "  monitor setup kibana --output dify.ndjson\n"
    "  KIBANA_API_KEY=... monitor setup kibana --url https://kibana:5601"
)
@config_option
@click.option("--sink", metavar="NAME", help="For this sink alone. Default: for every elasticsearch sink.")
@click.option("--space", default="", metavar="ID", help="For this space of Kibana. Default: the default space.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write them to a file.")
@click.option("--print", "as_print", is_flag=True, help="Print them.")
@click.option("--url", default="", metavar="URL", help="Import them into the Kibana at this address.")
@click.option("--certificate", default="", metavar="FILE", help="Authorities (PEM) that Kibana's certificate is of.")
@click.option("--dry-run", is_flag=True, help="With --url: say what would be imported, and connect to nothing.")
def kibana(
    config_file: Path | None,
    sink: str | None,
    space: str,
    output: Path | None,
    as_print: bool,
    url: str,
    certificate: str,
    dry_run: bool,
) -> None:
    """Data views, saved searches and dashboards for the elasticsearch sinks of the configuration.

    They are made for each sink's prefix, as one file that Kibana imports (Stack Management > Saved Objects > Import).
    With --url they are imported here, by Kibana's own API; what is there of an earlier import is replaced, so it can
    be run again at any time. Who may do that is named by the variables KIBANA_API_KEY, or KIBANA_USER and
    KIBANA_PASSWORD. Nothing in Elasticsearch is touched, and nothing is asked of it.
    """
    if sum((output is not None, as_print, bool(url))) != 1:
        raise click.UsageError("Choose one of --output, --print and --url.")
    if (dry_run or certificate) and not url:
        raise click.UsageError("--dry-run and --certificate go with --url.")
    if space and not _SPACE.fullmatch(space):
        raise click.UsageError("A space's id is made of lower-case letters, digits, - and _.")
    prefixes = list(dict.fromkeys(each.prefix for each in chosen_sinks(load_config(config_file), sink)))
    objects = _objects(prefixes, space)
    if url:
        _import(_kibana(url, space, certificate, os.environ), objects, dry_run=dry_run)
    elif output is not None:
        _write(output, _text(objects))
    else:
        click.echo(_text(objects), nl=False)


def _objects(prefixes: list[str], space: str) -> list[dict[str, Any]]:
    from monitor.sinks.elasticsearch.kibana import Place, objects  # noqa: PLC0415 - only where it is used

    return [each for prefix in prefixes for each in objects(Place(prefix, space))]


def _text(objects: list[dict[str, Any]]) -> str:
    from monitor.sinks.elasticsearch.kibana import ndjson  # noqa: PLC0415

    return ndjson(objects)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"can't be written: {exc.strerror}", where=str(file)) from exc
    click.echo(f"written  {file}")


def _import(kibana: Kibana, objects: list[dict[str, Any]], *, dry_run: bool) -> None:
    from monitor.clock import SystemClock  # noqa: PLC0415
    from monitor.sinks.elasticsearch.kibana.importing import imported  # noqa: PLC0415 - httpx only where it is used

    if not dry_run:
        imported(kibana, _text(objects), SystemClock())
    for each in objects:
        title = each["attributes"].get("name") or each["attributes"]["title"]
        click.echo(f"{'would import' if dry_run else 'imported'}  {each['type']:13}  {title}")


def _kibana(url: str, space: str, certificate: str, environ: Mapping[str, str]) -> Kibana:
    """Where, and as whom. Raises ConfigError."""
    from monitor.http import Tls  # noqa: PLC0415
    from monitor.sinks.elasticsearch.kibana.importing import Kibana  # noqa: PLC0415

    host = _host(url)
    key, user, password = given_credentials(environ, _KEY, _USER, _PASSWORD)
    if url.startswith("http:") and (key or user) and host not in _HERE:
        click.echo("monitor: use https: whoever is on the way can read the credentials", err=True)
    return Kibana(url, space, key, user, password, Tls(ca_file=certificate))


def _host(url: str) -> str:
    """The address' host; its own text may hold a password and is not repeated. Raises ConfigError."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as exc:
        raise ConfigError("is not an address", where="--url") from exc
    if parts.scheme not in {"http", "https"} or not parts.hostname or not url.isprintable():
        raise ConfigError("is not an address: write http:// or https:// and a host", where="--url")
    if "@" in parts.netloc:
        raise ConfigError(f"holds credentials: use {_KEY}, or {_USER} and {_PASSWORD}", where="--url")
    if parts.query or parts.fragment:
        raise ConfigError("has a query or fragment; a space is named by --space", where="--url")
    return parts.hostname
