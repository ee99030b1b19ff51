# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m webapi``: serve the API, or one request; trace calls, import files and settings,
manage users."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from aiohttp.test_utils import TestClient, TestServer

from collector import settings
from collector.api_token import local_token
from collector.errors import KemiscopeError, SettingsError
from collector.import_config import command as import_config
from collector.settings import Settings
from collector.settings.origin import Origins
from webapi.access import command as access
from webapi.access import homer_users
from webapi.app import create_app
from webapi.imports import command as imports
from webapi.listen import serve_until_signal
from webapi.openapi import handlers as openapi
from webapi.trace import command as trace


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0 done, 1 failed or an answer that is not 200, 2 wrong usage.

    ``trace`` has one more.
    """
    parser = argparse.ArgumentParser(prog="python -m webapi", description=__doc__)
    parser.add_argument("--config", type=Path, help="settings file instead of kemiscope.toml")
    parser.add_argument("--get", metavar="PATH", help="print the answer to one GET and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    trace.add_arguments(commands.add_parser("trace", help="trace calls on the proxies"))
    access.add_user_arguments(commands.add_parser("user", help="who may sign in"))
    access.add_token_arguments(commands.add_parser("token", help="what programs show instead"))
    imports.add_arguments(commands.add_parser("import", help="a capture file to the node"))
    commands.add_parser("openapi", help="print the description of the API")
    homer_users.add_arguments(
        commands.add_parser("import-homer", help="homer-app's users, from its database")
    )
    import_config.add_arguments(
        commands.add_parser("import-config", help="homer-app's settings as ours")
    )
    options = parser.parse_args(arguments)
    try:
        if options.command == "openapi":
            sys.stdout.write(openapi.page(create_app(Settings())))
            return 0
        if options.command == "import-config":
            return import_config.run(options)
        loaded, origins = settings.load_with_origins(options.config)
        if options.command == "trace":
            return trace.run(loaded, options)
        if options.command == "import":
            return imports.run(loaded, options)
        if not loaded.database.reader_dsn:
            message = (
                "database.reader_dsn: is empty; set it in kemiscope.toml or "
                "KEMISCOPE_DATABASE_READER_DSN"
            )
            raise SettingsError(message)
        if options.command == "import-homer":
            return homer_users.run(loaded, options)
        if options.command:
            return access.run(loaded, options)
        if options.get:
            return asyncio.run(_get(loaded, origins, options.get))
        _serve(loaded, origins)
    except (KemiscopeError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _serve(loaded: Settings, origins: Origins) -> None:
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    asyncio.run(serve_until_signal(create_app(loaded, origins), loaded))


async def _get(loaded: Settings, origins: Origins, path: str) -> int:
    server = TestServer(create_app(loaded, origins, watch_proxies=False))
    with local_token(loaded) as headers:
        async with TestClient(server) as client:
            response = await client.get(path, headers=headers)
            sys.stdout.buffer.write(await response.read() + b"\n")
            return int(response.status != 200)


if __name__ == "__main__":
    sys.exit(main())
