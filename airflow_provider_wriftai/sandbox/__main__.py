"""``python -m airflow_provider_wriftai.sandbox``: serve WriftAI on localhost."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import sys
from pathlib import Path

from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.rate_limit import Limit, RateLimit
from airflow_provider_wriftai.sandbox.seed import seed
from airflow_provider_wriftai.sandbox.server import listen, serve
from airflow_provider_wriftai.sandbox.shapes import GENERATION_2, SHAPES, Shape, shape_of
from airflow_provider_wriftai.sandbox.store import Store

# Not WRIFTAI_ACCESS_TOKEN, which may hold the token of a real account.
TOKEN_VARIABLE = "WRIFTAI_SANDBOX_TOKEN"  # noqa: S105 - the name of a variable, not a token


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: The command line without the program; None for this process's own.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(arguments)
    token = os.environ.get(TOKEN_VARIABLE) or secrets.token_urlsafe(24)
    store = Store(options.database)
    try:
        store.add_token(token, options.owner)
        for owner, name, versions in options.model:
            if not seed(store, owner, name, versions):
                print(f"{owner}/{name} has versions already, and is left as it is.", file=sys.stderr)
        limited = RateLimit(Limit(options.rate_limit, options.burst), Limit(options.rate_limit / 3, options.burst))
        app = create_app(
            store,
            limited if options.rate_limit > 0 else None,
            shape=options.client_version.name,
            digest_in_lists=options.digest_in_lists,
            delete_with_body=options.delete_with_body,
            allowed_hosts=[options.host, *options.allow_host],
        )
        try:
            listener = listen(options.host, options.port)
        except OSError as error:
            print(f"Cannot listen on {options.host}:{options.port}: {error}", file=sys.stderr)
            return 1
        host, port = listener.getsockname()[:2]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        shown = "taken from the environment" if os.environ.get(TOKEN_VARIABLE) else token
        print(f"WriftAI sandbox: {url}", flush=True)
        print(f"  API:      {url}/v1 (for official clients from {options.client_version.name} on)", flush=True)
        print(f"  token:    {shown} (acts for {options.owner})", flush=True)
        print(f"  database: {options.database}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            serve(app, listener)
    finally:
        store.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_wriftai.sandbox",
        description="Serve the WriftAI versions API on localhost, to try DAGs without an account.",
        epilog=f"The access token is read from {TOKEN_VARIABLE}. Without it, a new one is generated and printed.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME",
        help="a host name to serve besides localhost; can be repeated",
    )  # fmt: skip
    parser.add_argument("--port", type=int, default=8787, help="port, 0 for any free one (default: %(default)s)")
    parser.add_argument(
        "--database", type=Path, default=Path("wriftai-sandbox.db"), help="SQLite file (default: %(default)s)"
    )
    parser.add_argument("--owner", default="acme", help="the owner that the token acts for (default: %(default)s)")
    parser.add_argument(
        "--model", type=_model, action="append", default=[], metavar="OWNER/NAME[=N]",
        help="create a model with N versions unless it exists; can be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--client-version", type=_shape, default=GENERATION_2, metavar="RELEASE",
        help=f"serve at /v1 what this release of the official client expects; the API changed with "
        f"{', '.join(shape.name for shape in SHAPES)} (default: {GENERATION_2.name})",
    )  # fmt: skip
    parser.add_argument(
        "--digest-in-lists", action="store_true", help=f"include the image digest in lists from {GENERATION_2.name} on"
    )
    parser.add_argument(
        "--delete-with-body",
        action="store_true",
        help="respond to a delete with 200 and JSON, which the official clients need, instead of 204 and no body",
    )
    parser.add_argument(
        "--rate-limit", type=float, default=3.0,
        help="requests per second with a token, a third of that without; 0 for no limit (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--burst", type=int, default=5, help="requests allowed at once (default: %(default)s)")
    return parser


def _shape(text: str) -> Shape:
    try:
        return shape_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _model(text: str) -> tuple[str, str, int]:
    model, _, versions = text.partition("=")
    owner, slash, name = model.partition("/")
    if not (owner and slash and name) or "/" in name or not (versions or "0").isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not OWNER/NAME or OWNER/NAME=N")
    return owner, name, int(versions or 0)


if __name__ == "__main__":
    raise SystemExit(main())
