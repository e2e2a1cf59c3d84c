"""`python -m monitor` and the `monitor` command."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; `--version` answers before anything heavy is imported."""
    if sys.argv[1:] == ["--version"]:
        from monitor import __version__  # noqa: PLC0415 - start-up time is a promise (benchmarks/startup)

        sys.stdout.write(f"monitor {__version__}\n")
        return
    from monitor.cli import cli  # noqa: PLC0415

    cli()


if __name__ == "__main__":
    main()
