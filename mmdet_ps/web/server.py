"""The server behind the page."""

import atexit
import functools
import os
import shutil
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .safety import Guard, stay_offline

if TYPE_CHECKING:
    from ..apis import PersonSearcher
    from ..gallery import Gallery

# Visitors whose scene and hits are kept at a time.
_VISITORS = 200


def serve(
    searcher: 'PersonSearcher',
    gallery: 'Gallery',
    host: str = '127.0.0.1',
    port: int = 7860,
    accounts: Sequence[tuple[str, str]] | None = None,
    megabytes: int = 2000,
    block: bool = True,
) -> str:
    """Serve the page.

    Args:
        searcher: The model.
        gallery: Of that model. Files that visitors add are kept in its folder ``uploads``; they
            cannot add any where the gallery does not lie on this machine.
        host: Address to listen at.
        port: Port to listen at.
        accounts: Users and passwords; None asks for none, see `safety.accounts_for`.
        megabytes: Largest file that is taken.
        block: Whether to return only after Ctrl-C.

    Returns:
        The address of the page.

    Raises:
        ValueError: Gradio is not installed.
        OSError: The port is taken.
    """
    _keep_files_apart()
    try:
        stay_offline()
        from starlette.middleware import Middleware

        from .layout import CSS, THEME, build
    except ImportError:
        raise ValueError(
            "the page needs Gradio: pip install 'mmdet_ps[web]', or pip install gradio"
        ) from None
    from .desk import Desk

    local = '://' not in gallery.folder
    uploads = os.path.join(gallery.folder, 'uploads') if local else None
    blocks = build(Desk(searcher, gallery, uploads), 'Person search')
    blocks.queue(default_concurrency_limit=4, api_open=False)
    _, address, _ = blocks.launch(
        server_name=host,
        server_port=port,
        auth=list(accounts) if accounts else None,
        max_file_size=megabytes * 1_000_000,
        app_kwargs=dict(middleware=[Middleware(Guard)]),
        theme=THEME,
        css=CSS,
        footer_links=[],
        state_session_capacity=_VISITORS,
        share=False,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        quiet=True,
        prevent_thread_lock=True,
    )
    print(f'{address} - Ctrl-C ends it', flush=True)  # noqa: T201
    if block:
        blocks.block_thread()
    return address


@functools.cache
def _keep_files_apart() -> None:
    """Let Gradio keep the files of all pages of this process in a folder that goes with it."""
    folder = tempfile.mkdtemp(prefix='mmdet_ps-web-')
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ['GRADIO_TEMP_DIR'] = folder
