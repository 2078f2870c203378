"""What a click on the page does."""

import os
import tempfile
from pathlib import Path

import gradio as gr
import numpy as np

from ..utils.pictures import PictureError
from .desk import Desk, Visit, Wanted, card_text, span
from .pictures import card, clip, fit, outline

HINT = 'Drop a picture, paste one, or choose a scene of the gallery below.'


def _rgb(picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture[..., ::-1])


class Page:
    """Events of the page; each gives new values for the components of `build`.

    The first argument of all is what the visitor has seen so far.

    Args:
        desk: What does the work.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    # ---- what is shown ------------------------------------------------------------------------

    def welcome(self, visit: Visit | None):
        """Tell what is in the gallery, and offer its scenes and cameras."""
        visit = visit or Visit()
        people = len(self.desk.gallery)
        scenes = self.desk.scenes()
        visit.sources = [name for _, name in scenes]
        if people or scenes:
            text = f'{people:,} people in {len(scenes):,} pictures and videos'
        else:
            text = 'The gallery is empty: add pictures and videos below.'
        choices = [(short, n) for n, (short, _) in enumerate(scenes)]
        return (
            visit,
            text,
            gr.update(choices=choices, value=None),
            gr.update(choices=self.desk.cameras()),
        )

    def left(self, visit: Visit):
        """The scene with people outlined, and what to do next."""
        scene = visit.scene
        if scene is None:
            return None, HINT
        count = len(scene.boxes)
        people = '1 person' if count == 1 else f'{count} people'
        if not count:
            hint = 'Nobody was found in this picture.'
        elif scene.chosen is None:
            hint = f'{people} found: click the one to search for.'
        else:
            hint = f'Searching person {scene.chosen + 1} of {count}; click another to change.'
        return _rgb(scene.drawn()), hint

    def right(self, visit: Visit):
        """The cards of a page with all that belongs to them."""
        shown = [(_rgb(card(one.best)), card_text(one)) for one in visit.shown()]
        searched = visit.scene is not None and visit.scene.chosen is not None
        if not searched:
            text = 'Hits appear here.'
        elif not visit.cards:
            text = 'Nobody like this in the gallery, with these filters.'
        else:
            most = ' most similar' if visit.more else ''
            text = f'{len(visit.hits)}{most} hits in {len(visit.cards)} appearances'
        more = visit.page + 1 < visit.pages or visit.more
        pages = f'Page {visit.page + 1} of {visit.pages}' + (' or more' if visit.more else '')
        return (
            visit,
            text,
            gr.update(value=shown, selected_index=None, visible=bool(shown)),
            gr.update(visible=bool(shown)),
            gr.update(interactive=visit.page > 0),
            pages,
            gr.update(interactive=more),
            self.table(visit),
            gr.update(visible=False),
        )

    def table(self, visit: Visit):
        """The hits as csv, for the download button."""
        if not visit.hits:
            return gr.update(value=None, interactive=False)
        path = Path(tempfile.mkdtemp(dir=_folder()), 'hits.csv')
        visit.hits.save(path)
        return gr.update(value=str(path), interactive=True)

    # ---- events -------------------------------------------------------------------------------

    def sent(self, visit: Visit, picture: np.ndarray | None):
        """A picture was dropped or pasted."""
        visit.scene = None if picture is None else self.desk.look(picture)
        self.desk.search(visit)
        return (
            *self.left(visit),
            *self.right(visit),
            gr.update(value=None),
            gr.update(visible=False),
        )

    def removed(self, visit: Visit):
        """The picture was taken away."""
        return self.sent(visit, None)

    def clicked(self, visit: Visit, event: gr.SelectData):
        """Somebody in the scene was clicked."""
        chosen = visit.scene.person_at(*event.index) if visit.scene else None
        if chosen is None:
            raise gr.Error('Click inside the outline of a person.', print_exception=False)
        visit.scene.chosen = chosen
        self.desk.search(visit)
        return *self.left(visit), *self.right(visit)

    def chosen(self, visit: Visit, number: int | None):
        """A scene of the gallery was chosen; of a video the first frame is shown."""
        if number is None:
            return *self.left(visit), *self.right(visit), gr.update(visible=False)
        name = visit.sources[number]
        seconds = self.desk.seconds(name)
        visit.scene = self.desk.at(name, None if seconds is None else 0.0)
        self.desk.search(visit)
        slider = gr.update(visible=bool(seconds), maximum=seconds or 1, value=0)
        return *self.left(visit), *self.right(visit), slider

    def moved(self, visit: Visit, number: int | None, seconds: float):
        """The slider went to another time of the video."""
        if number is not None:
            visit.scene = self.desk.at(visit.sources[number], seconds)
            self.desk.search(visit)
        return *self.left(visit), *self.right(visit)

    def filtered(self, visit: Visit, cameras, since, until, similarity, score, together):
        """A filter was changed."""
        visit.wanted = Wanted(
            cameras, since, until, similarity, score, together if together > 0 else None
        )
        self.desk.search(visit)
        return self.right(visit)

    def turned(self, visit: Visit, by: int):
        """To another page."""
        self.desk.turn(visit, by)
        return self.right(visit)

    def opened(self, visit: Visit, event: gr.SelectData):
        """A card was clicked: its scene."""
        visit.open = one = visit.shown()[event.index]
        best = one.best
        try:
            picture = _rgb(fit(outline(best.read(), [best.box], 0))[0])
        except PictureError as error:
            picture = None
            gr.Warning(str(error))
        details = [Path(best.source).name, best.camera, span(one)]
        details += [f'similarity {best.similarity:.3f}', f'detection {best.score:.2f}']
        text = ' · '.join(part for part in details if part)
        return (
            gr.update(visible=True),
            picture,
            text,
            gr.update(interactive=picture is not None),
            gr.update(value=None, visible=best.position is not None),
        )

    def played(self, visit: Visit):
        """The video at the moment of the card."""
        path = Path(tempfile.mkdtemp(dir=_folder()), 'clip.webm')
        there = visit.open is not None and clip(visit.open, path)
        return gr.update(value=str(path) if there else None, visible=there)

    def searched(self, visit: Visit):
        """The person of the open card is searched."""
        if visit.open is None:
            raise gr.Error('Open a card first.', print_exception=False)
        visit.scene = self.desk.at_hit(visit.open.best)
        self.desk.search(visit)
        return (
            *self.left(visit),
            *self.right(visit),
            gr.update(value=None),
            gr.update(visible=False),
        )

    def added(self, visit: Visit, files, camera, start, every, progress=gr.Progress()):  # noqa: B008
        """Files are added to the gallery."""
        if not files:
            raise gr.Error('Choose pictures or videos first.', print_exception=False)

        def tell(done: int, total: int | None, people: int) -> None:
            progress((done, total), desc=f'{people} people found', unit='pictures')

        progress(0, desc='Reading')
        report = self.desk.add(files, camera, start, every, tell)
        lines = [str(report), *(f'{Path(b.source).name}: {b.reason}' for b in report.broken)]
        return '\n\n'.join(lines), None, *self.welcome(visit)


def _folder() -> str:
    """Where files for browsers lie."""
    folder = os.environ['GRADIO_TEMP_DIR']
    os.makedirs(folder, exist_ok=True)
    return folder
