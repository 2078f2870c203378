"""Where everything is on the page."""

from collections.abc import Callable
from functools import wraps

import gradio as gr
import numpy as np

from ..gallery.pictures import read_upright
from ..utils.pictures import PictureError
from .desk import Desk
from .events import HINT, Page

# Seconds that files for browsers are kept.
_KEPT = 3600
_FONTS = ['system-ui', '-apple-system', 'Segoe UI', 'Roboto', 'sans-serif']
_FIXED = ['ui-monospace', 'Menlo', 'Consolas', 'monospace']
THEME = gr.themes.Soft(
    primary_hue='emerald', neutral_hue='slate', font=_FONTS, font_mono=_FIXED, radius_size='lg'
)
CSS = """
.gradio-container { max-width: 1440px !important; margin: auto; }
.gradio-container > main { width: 100%; }
#title h1 { margin-bottom: 0; }
#status p, #hint p { font-size: 1.05rem; }
#note p { color: var(--body-text-color-subdued); font-size: 0.85rem; }
#scene img { cursor: crosshair; }
#scene img, #found img { width: 100%; height: 100%; object-fit: contain; }
#found, #film { border: 0 !important; }
#detail { position: fixed; z-index: 100; inset: 0; margin: auto; width: min(1100px, 96vw);
  height: fit-content; max-height: 96vh; overflow: auto; box-shadow: 0 0 0 100vmax #0f172a99; }
#cards .grid-wrap { max-height: none; overflow: visible; }
#cards .grid-container { grid-template-columns: repeat(auto-fill, minmax(140px, 1fr));
  grid-auto-rows: auto; align-items: start; }
#cards .thumbnail-item { aspect-ratio: auto; display: flex; flex-direction: column; }
#cards .thumbnail-item img { aspect-ratio: 4 / 5; height: auto; object-fit: cover; }
#cards .caption-label { position: static; width: 100%; max-width: 100%; border: 0; padding: 6px 8px;
  border-radius: 0; background: none; white-space: normal; text-align: left; font-size: 0.8rem; }
#pages { text-align: center; align-self: center; white-space: nowrap; min-width: 110px; }
@media (max-width: 640px) {
  .gradio-container > main, .gradio-container { padding: 8px !important; }
}
"""
_NOTE = (
    'A hit is a likeness, not a proof: there always is a most similar person. '
    'Search only people who have agreed to it, or where the law gives you a basis for it.'
)
# When a filter has been changed, by what it is.
_CHANGES = {gr.Dropdown: ['input'], gr.Textbox: ['submit', 'blur'], gr.Slider: ['release']}


def _read_sent(sent) -> np.ndarray | None:
    """Read a picture that was sent as those of the gallery are read, (H, W, 3) uint8 in BGR."""
    if sent is None or sent.path is None:
        return None
    try:
        return read_upright(sent.path)
    except PictureError:
        raise gr.Error(
            'This file is no picture that can be read, or it is cut off.', print_exception=False
        ) from None


def _said(event: Callable) -> Callable:
    """Say what is wrong with an input in one line on the page.

    Args:
        event: Takes a `Visit` first, which is gone where the page was left alone for too long.
    """

    @wraps(event)
    def call(visit, *args):
        if visit is None:
            raise gr.Error('Reload this page, please.', print_exception=False)
        try:
            return event(visit, *args)
        except (ValueError, OSError) as error:
            raise gr.Error(str(error), print_exception=False) from None

    return call


def _filters() -> list[gr.components.Component]:
    """In the order of `Page.filtered`."""
    with gr.Accordion('Filters', open=False, elem_id='filters'):
        cameras = gr.Dropdown(
            label='Cameras', choices=[], multiselect=True, elem_id='cameras',
            info='none chosen: all of them',
        )  # fmt: skip
        with gr.Row():
            since = gr.Textbox(label='From', placeholder='90, 1:30 or a date', elem_id='since')
            until = gr.Textbox(label='To', placeholder='2026-05-01T14:30', elem_id='until')
        similarity = gr.Slider(0, 1, 0, step=0.01, label='Similarity at least', elem_id='similar')
        score = gr.Slider(0, 1, 0, step=0.01, label='Detection score at least', elem_id='score')
        together = gr.Slider(
            0, 60, 5, step=1, label='Join hits of a video, seconds apart', elem_id='together',
            info='0 shows each hit by itself',
        )  # fmt: skip
    return [cameras, since, until, similarity, score, together]


def _adding(allowed: bool) -> list[gr.components.Component]:
    """In the order of `Page.added`, with the button and the report behind."""
    with gr.Accordion('Add pictures and videos', open=False, visible=allowed, elem_id='adding'):
        files = gr.File(
            label='Pictures and videos', file_count='multiple', file_types=['image', 'video'],
            height=140, elem_id='files',
        )  # fmt: skip
        with gr.Row():
            camera = gr.Textbox(label='Camera', placeholder='a name', min_width=90)
            start = gr.Textbox(label='Begins at', placeholder='2026-05-01T14:30', min_width=90)
            every = gr.Number(
                0.5, label='Seconds between frames', minimum=0, maximum=3600, min_width=90
            )
        button = gr.Button('Add to the gallery', variant='primary', elem_id='add')
        report = gr.Markdown(elem_id='report', min_height=40)
    return [files, camera, start, every, button, report]


def build(desk: Desk, title: str) -> gr.Blocks:
    """Lay the page out."""
    page = Page(desk)
    with gr.Blocks(
        title=title, fill_width=True, analytics_enabled=False, delete_cache=(600, _KEPT)
    ) as blocks:
        visit = gr.State()
        gr.Markdown(f'# {title}', elem_id='title')
        summary = gr.Markdown(elem_id='summary')
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                scene = gr.Image(
                    label='Scene', type='numpy', format='jpeg', sources=['upload', 'clipboard'],
                    interactive=True, height=420, elem_id='scene', buttons=['fullscreen'],
                )  # fmt: skip
                # Gradio reads with Pillow, as it is and without a word on what cannot be read.
                scene.preprocess = _read_sent
                hint = gr.Markdown(HINT, elem_id='hint')
                source = gr.Dropdown(
                    label='Scene of the gallery', choices=[], value=None, elem_id='source'
                )
                moment = gr.Slider(
                    0, 1, 0, step=0.01, label='Time in the video, seconds', visible=False,
                    elem_id='moment',
                )  # fmt: skip
                filters = _filters()
                adding = _adding(desk.uploads is not None)
            with gr.Column(scale=7, min_width=320):
                status = gr.Markdown('Hits appear here.', elem_id='status')
                with gr.Group(visible=False, elem_id='detail') as detail:
                    with gr.Row():
                        picture = gr.Image(
                            show_label=False, interactive=False, format='jpeg', elem_id='found',
                            buttons=['download', 'fullscreen'], min_width=280, height='42vh',
                        )  # fmt: skip
                        film = gr.Video(
                            show_label=False, interactive=False, autoplay=True, loop=True,
                            visible=False, elem_id='film', buttons=[], min_width=280,
                            height='42vh',
                        )  # fmt: skip
                    about = gr.Markdown(elem_id='about', padding=True)
                    with gr.Row():
                        this = gr.Button('Search this person', variant='primary', elem_id='this')
                        close = gr.Button('Close', elem_id='close')
                cards = gr.Gallery(
                    show_label=False, allow_preview=False, interactive=False, format='jpeg',
                    columns=4, height='auto', visible=False, elem_id='cards', buttons=[],
                )  # fmt: skip
                with gr.Row(visible=False) as pager:
                    back = gr.Button('Back', size='sm', min_width=80, elem_id='back')
                    pages = gr.Markdown(elem_id='pages')
                    onward = gr.Button('Next', size='sm', min_width=80, elem_id='next')
                    table = gr.DownloadButton(
                        'Hits as csv', size='sm', min_width=100, elem_id='csv'
                    )
        gr.Markdown(_NOTE, elem_id='note')

        left = [scene, hint]
        right = [visit, status, cards, pager, back, pages, onward, table, detail]
        hello = [visit, summary, source, filters[0]]
        quiet = dict(api_visibility='private', show_progress='minimal')
        blocks.load(page.welcome, visit, hello, **quiet)
        scene.upload(
            _said(page.sent), [visit, scene], [*left, *right, source, moment], **quiet,
        )  # fmt: skip
        # With its picture as an input, it would come back: it is still sent when it is removed.
        scene.clear(_said(page.removed), visit, [*left, *right, source, moment], **quiet)
        scene.select(_said(page.clicked), visit, left + right, **quiet)
        source.input(_said(page.chosen), [visit, source], [*left, *right, moment], **quiet)
        moment.release(_said(page.moved), [visit, source, moment], left + right, **quiet)
        gr.on(
            [getattr(part, name) for part in filters for name in _CHANGES[type(part)]],
            _said(page.filtered), [visit, *filters], right, **quiet,
        )  # fmt: skip
        back.click(_said(lambda visit: page.turned(visit, -1)), visit, right, **quiet)
        onward.click(_said(lambda visit: page.turned(visit, 1)), visit, right, **quiet)
        cards.select(
            _said(page.opened), visit, [detail, picture, about, this, film], **quiet,
        ).success(_said(page.played), visit, film, **quiet)  # fmt: skip
        this.click(_said(page.searched), visit, [*left, *right, source, moment], **quiet)
        close.click(lambda: gr.update(visible=False), None, detail, **quiet)
        files, camera, start, every, button, report = adding
        button.click(
            _said(page.added), [visit, files, camera, start, every], [report, files, *hello],
            api_visibility='private', show_progress='full', show_progress_on=report,
            concurrency_limit=1,
        )  # fmt: skip
    return blocks
