"""Who may reach the page, and what it may ask for."""

import ipaddress
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote

# The browser asks nobody but the page's own host, whatever Gradio's page names.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; frame-ancestors 'none'; form-action 'self'; base-uri 'self'"
)
_HEADERS = (
    (b'content-security-policy', _POLICY.encode()),
    (b'referrer-policy', b'no-referrer'),
    (b'x-content-type-options', b'nosniff'),
)


def is_this_machine(host: str) -> bool:
    """Whether only programs of this machine reach a server that listens there."""
    if host == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_accounts(path: str | os.PathLike) -> list[tuple[str, str]]:
    """Read who may see the page: lines ``user:password``, empty ones are passed over.

    Raises:
        FileNotFoundError: No such file.
        ValueError: A line of another form, a user twice, or nobody.
    """
    accounts: dict[str, str] = {}
    for number, line in enumerate(Path(path).read_text('utf-8').splitlines(), 1):
        user, colon, password = line.strip().partition(':')
        if not user and not colon:
            continue
        if not user or not password:
            raise ValueError(f'{path} line {number}: must be user:password')
        if user in accounts:
            raise ValueError(f'{path} line {number}: user {user} is there twice')
        accounts[user] = password
    if not accounts:
        raise ValueError(f'{path}: names nobody; write lines user:password')
    return list(accounts.items())


def accounts_for(host: str, path: str | os.PathLike | None) -> list[tuple[str, str]] | None:
    """Give the accounts of a server, None where everybody who reaches it may use it.

    Raises:
        ValueError: Other machines would reach it and there are no accounts, or a bad file.
    """
    if path is not None:
        return read_accounts(path)
    if not is_this_machine(host):
        raise ValueError(
            f'--host {host}: other machines could reach the page; give --auth FILE with lines '
            'user:password as well'
        )
    return None


def stay_offline() -> None:
    """Let Gradio ask no network: neither for analytics nor for files that a browser names.

    To be called before Gradio is imported.
    """
    os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
    os.environ['HF_HUB_OFFLINE'] = '1'
    from gradio import processing_utils

    async def refuse(url: str, cache_dir: str) -> str:
        raise ValueError('files of other hosts are not fetched')

    processing_utils.async_ssrf_protected_download = refuse


class Guard:
    """Refuse what the page never asks for, and tell the browser to ask no other host.

    Args:
        app: The ASGI application behind it.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope['type'] != 'http':
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: dict) -> None:
            if message['type'] == 'http.response.start':
                message['headers'] = [*message.get('headers', ()), *_HEADERS]
            await send(message)

        # Gradio would hand through what other hosts answer: `file=https://...`, `proxy=...`.
        path = unquote(scope['path'])
        if ':/' in path or '/proxy=' in path:
            await send_with_headers(
                dict(type='http.response.start', status=403, headers=[(b'content-length', b'0')])
            )
            await send(dict(type='http.response.body', body=b''))
            return
        await self.app(scope, receive, send_with_headers)
