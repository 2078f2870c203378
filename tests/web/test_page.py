"""The page in a real browser, over people who are known from grey levels (`tests.gallery.stub`)."""

import csv
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('lancedb', reason='galleries need the extra mmdet_ps[gallery]')
pytest.importorskip('gradio', reason='the page needs the extra mmdet_ps[web]')
sync_api = pytest.importorskip('playwright.sync_api', reason='no Playwright to drive a browser')

from mmdet_ps.gallery import Gallery  # noqa: E402
from mmdet_ps.web import serve  # noqa: E402

from ..gallery.stub import StubFinder, people_of, write_picture, write_video  # noqa: E402

CHROMIUM = shutil.which('chromium')
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason='no Chromium on this machine'),
]
FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync']
FLAGS += ['--disable-background-networking', '--disable-component-update']
LEVELS = range(1, 16)
SIZE = (96, 64)


class StubSearcher(StubFinder):
    def find(self, picture):
        return replace(people_of(self.prepare(picture)), picture=picture)

    def describe(self, picture, box):
        return people_of(self.prepare(picture)).feats[0]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('web')


def serving(folder, name, port, levels):
    searcher = StubSearcher()
    gallery = Gallery(folder / name, searcher)
    for level in levels:
        path = write_picture(folder / f'{name}-pictures/level{level}.png', level)
        gallery.add(path, camera='north' if level % 2 else 'south', progress=False)
    return serve(searcher, gallery, port=port, block=False), gallery


@pytest.fixture(scope='module')
def full(folder):
    return serving(folder, 'full', 7871, LEVELS)


@pytest.fixture(scope='module')
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """Open an address; what the page asks for is collected in ``page.asked``."""
    pages = []

    def opened(address, width=1300):
        page = browser.new_page(viewport=dict(width=width, height=950))
        page.set_default_timeout(20_000)
        page.asked = []
        page.on('request', lambda request: page.asked.append(request.url))
        page.goto(address)
        page.wait_for_selector('#summary p')
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.close()


def send(page, path):
    page.set_input_files('#scene input[type=file]', str(path))
    page.wait_for_function("() => !document.querySelector('#hint').innerText.includes('Drop a')")


def click_person(page, level, person):
    """Click the middle of a person's box, where the scaled picture shows it."""
    image = page.locator('#scene img').first
    image.scroll_into_view_if_needed()
    shown = image.bounding_box()
    scale = min(shown['width'] / SIZE[0], shown['height'] / SIZE[1])
    left = shown['x'] + (shown['width'] - scale * SIZE[0]) / 2
    top = shown['y'] + (shown['height'] - scale * SIZE[1]) / 2
    x1, y1, x2, y2 = people_of(level).boxes[person].tolist()
    page.mouse.click(left + scale * (x1 + x2) / 2, top + scale * (y1 + y2) / 2)
    page.wait_for_selector('#cards .thumbnail-item')


def captions(page):
    return page.locator('#cards .caption-label').all_inner_texts()


def alone_at_its_centre(level):
    """A person of the level whose box's centre no smaller box of others covers."""
    boxes = people_of(level).boxes
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for n, (x1, y1, x2, y2) in enumerate(boxes):
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        inside = (boxes[:, 0] <= x) & (x <= boxes[:, 2]) & (boxes[:, 1] <= y) & (y <= boxes[:, 3])
        if np.where(inside, areas, np.inf).argmin() == n:
            return n
    raise AssertionError('everybody is behind somebody')


def test_a_person_is_clicked_and_found(full, visit, folder):
    page = visit(full[0])
    send(page, folder / 'full-pictures/level7.png')
    click_person(page, 7, alone_at_its_centre(7))
    assert captions(page)[0].startswith('1.00') and 'north' in captions(page)[0]
    assert len(captions(page)) == 12
    hosts = {url.split('/')[2] for url in page.asked if url.startswith('http')}
    assert hosts == {'127.0.0.1:7871'}


def test_pages_and_filters(full, visit, folder):
    page = visit(full[0])
    send(page, folder / 'full-pictures/level7.png')
    click_person(page, 7, alone_at_its_centre(7))
    first = captions(page)
    page.click('#next')
    page.wait_for_function(
        "first => document.querySelector('#cards .caption-label').innerText != first", arg=first[0]
    )
    assert not captions(page)[0].startswith('1.00')
    page.click('#filters button')
    page.locator('#cameras input').click()
    page.get_by_role('option', name='south').click()
    page.wait_for_function(
        "() => [...document.querySelectorAll('#cards .caption-label')]"
        ".every(card => card.innerText.includes('south'))"
    )


def test_a_card_opens_its_scene_and_searches_on(full, visit, folder):
    page = visit(full[0])
    send(page, folder / 'full-pictures/level7.png')
    click_person(page, 7, alone_at_its_centre(7))
    page.locator('#cards .thumbnail-item').nth(1).click()
    page.wait_for_selector('#about p')
    about = page.locator('#about').inner_text()
    assert re.search(r'level\d+\.png', about) and 'similarity' in about
    page.click('#this')
    page.wait_for_selector('#detail', state='hidden')
    page.wait_for_function(
        "() => document.querySelector('#cards .caption-label').innerText.startsWith('1.00')"
    )


def test_a_picture_without_people_and_a_file_that_is_none(full, visit, folder, tmp_path):
    page = visit(full[0])
    send(page, folder / 'full-pictures/level4.png')
    assert 'nobody' in page.locator('#hint').inner_text().lower()
    (tmp_path / 'no.png').write_bytes(b'no picture')
    page = visit(full[0])
    page.set_input_files('#scene input[type=file]', str(tmp_path / 'no.png'))
    page.get_by_text('no picture that can be read').wait_for()


def test_files_are_added_to_an_empty_gallery(folder, visit, tmp_path):
    address, gallery = serving(folder, 'empty', 7872, [])
    page = visit(address, width=390)
    assert 'The gallery is empty' in page.locator('#summary').inner_text()
    write_picture(tmp_path / 'new.png', 3)
    page.click('#adding button')
    page.set_input_files('#files input[type=file]', str(tmp_path / 'new.png'))
    page.get_by_text('new.png').first.wait_for()
    page.click('#add')
    page.wait_for_function("() => document.querySelector('#summary').innerText.startsWith('3 ')")
    (source,) = gallery.sources()
    assert source.name.startswith(str(folder / 'empty/uploads'))
    assert page.evaluate('document.documentElement.scrollWidth') <= 390


def choose(page, name):
    page.locator('#source input').click()
    page.get_by_role('option', name=name).click()
    page.wait_for_function("() => document.querySelector('#hint').innerText.includes('found')")


def test_a_scene_of_the_gallery_is_chosen_and_removed(full, visit):
    page = visit(full[0])
    choose(page, 'level7.png')
    assert page.locator('#scene img').count() == 1 and not page.locator('#moment').is_visible()
    page.locator('#scene button[aria-label="Remove Image"]').click()
    page.wait_for_function("() => document.querySelector('#hint').innerText.includes('Drop a')")
    assert page.locator('#scene img').count() == 0


def test_a_moment_of_a_video_is_searched_and_played(folder, visit):
    video = write_video(folder / 'film-pictures/film.avi', [3] * 50 + [6] * 50)
    address, gallery = serving(folder, 'film', 7873, [])
    gallery.add(video, camera='east', progress=False)
    page = visit(address)
    choose(page, 'film.avi')
    assert page.locator('#hint').inner_text().startswith('3 people')
    slider = page.locator('#moment input[type=range]')
    assert abs(float(slider.get_attribute('max')) - 99 / 25) < 0.02
    shown = slider.bounding_box()
    page.mouse.click(shown['x'] + 0.9 * shown['width'], shown['y'] + shown['height'] / 2)
    page.wait_for_function("() => document.querySelector('#hint').innerText.startsWith('2 people')")
    click_person(page, 6, alone_at_its_centre(6))
    # Two to three and a half seconds, a look each half second.
    assert captions(page)[0] == '1.00 · east · 0:02 – 0:03.5 · 4 hits'
    with page.expect_download() as download:
        page.click('#csv')
    with open(download.value.path(), newline='') as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(gallery) and {row['source'] for row in rows} == {str(video)}
    page.locator('#cards .thumbnail-item').first.click()
    page.wait_for_function("() => document.querySelector('#film video')?.readyState >= 2")
    length = page.evaluate("document.querySelector('#film video').duration")
    assert 1.5 < length <= 4.2


def test_a_card_at_the_same_place_of_another_page_opens(full, visit, folder):
    page = visit(full[0])
    send(page, folder / 'full-pictures/level7.png')
    click_person(page, 7, alone_at_its_centre(7))

    def told():
        page.locator('#cards .thumbnail-item').nth(1).click()
        page.wait_for_selector('#about p')
        about = page.locator('#about').inner_text()
        page.click('#close')
        page.wait_for_selector('#detail', state='hidden')
        return about

    first, before = told(), captions(page)[1]
    page.click('#next')
    page.wait_for_function(
        "before => document.querySelectorAll('#cards .caption-label')[1].innerText != before",
        arg=before,
    )
    assert told() != first
