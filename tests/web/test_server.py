"""What the server gives to requests that no page of its own makes."""

import shutil

import pytest

pytest.importorskip('lancedb', reason='galleries need the extra mmdet_ps[gallery]')
pytest.importorskip('gradio', reason='the page needs the extra mmdet_ps[web]')
httpx = pytest.importorskip('httpx')

from mmdet_ps.gallery import Gallery  # noqa: E402
from mmdet_ps.web import serve  # noqa: E402

from ..gallery.stub import write_picture  # noqa: E402
from .test_page import StubSearcher  # noqa: E402

LIMIT = 1  # MB


def client(folder, port, accounts=None):
    searcher = StubSearcher()
    gallery = Gallery(folder / 'gallery', searcher)
    gallery.add(write_picture(folder / 'pictures/level7.png', 7), progress=False)
    address = serve(searcher, gallery, '127.0.0.1', port, accounts, LIMIT, block=False)
    return httpx.Client(base_url=address, trust_env=False, timeout=20)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('server')


@pytest.fixture(scope='module')
def anybody(folder):
    with client(folder, 7874) as given:
        yield given


def event(given, kind):
    """Number of the first event of a kind: how a browser calls it."""
    events = given.get('/config').json()['dependencies']
    return next(one['id'] for one in events if any(kind == name for _, name in one['targets']))


def call(given, number, data):
    """Whether an event is carried out, and what it gives."""
    wanted = dict(data=data, fn_index=number, session_hash='visit', event_data=None)
    assert given.post('/gradio_api/queue/join', json=wanted).status_code == 200
    with given.stream('GET', '/gradio_api/queue/data?session_hash=visit') as stream:
        for line in stream.iter_lines():
            if '"process_completed"' in line:
                return '"success":true' in line, line
    raise AssertionError('no answer')


@pytest.mark.parametrize(
    'path',
    [
        'file=/etc/passwd',
        'file={folder}/pictures/level7.png',
        'file={folder}/gallery/people.lance/_versions',
        'file=https://example.org/',
        'file=https:%2f%2fexample.org/',
        'proxy=https://example.org/',
    ],
)
def test_no_file_is_given_by_its_path_and_no_other_host_is_asked(anybody, folder, path):
    answer = anybody.get('/gradio_api/' + path.format(folder=folder))
    assert answer.status_code == 403
    assert "default-src 'self'" in answer.headers['content-security-policy']


def test_a_picture_is_only_taken_where_it_was_sent(anybody, folder):
    picture = folder / 'pictures/level7.png'
    sent = anybody.post(
        '/gradio_api/upload', files=dict(files=('../../x.png', picture.read_bytes()))
    )
    (kept,) = sent.json()
    assert '..' not in kept
    assert call(anybody, event(anybody, 'load'), [None])[0]
    number = event(anybody, 'upload')
    for path, taken in ((kept, True), (str(picture), False), ('https://example.org/x.png', False)):
        data = dict(path=path, orig_name='x.png', meta=dict(_type='gradio.FileData'))
        done, answer = call(anybody, number, [None, data])
        assert done == taken and ('people found' in answer) == taken, path


def test_scenes_are_named_by_their_place_in_the_list(anybody, folder):
    call(anybody, event(anybody, 'load'), [None])
    number = event(anybody, 'input')
    assert call(anybody, number, [None, 0])[0]
    for wrong in (-1, 1, str(folder / 'pictures/level7.png')):
        assert not call(anybody, number, [None, wrong])[0]


def test_a_file_that_is_too_large_is_refused(anybody):
    large = dict(files=('a.png', bytes(LIMIT * 1_000_000 + 1)))
    assert anybody.post('/gradio_api/upload', files=large).status_code == 413


def test_nothing_is_given_without_a_password(folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    with client(tmp_path, 7875, [('ann', 'secret')]) as given:
        join = dict(data=[None], fn_index=0, session_hash='visit')
        for answer in (
            given.get('/config'),
            given.get('/gradio_api/file=x'),
            given.post('/gradio_api/upload', files=dict(files=('a.png', b'x'))),
            given.post('/gradio_api/queue/join', json=join),
            given.get('/gradio_api/queue/data?session_hash=visit'),
        ):
            assert answer.status_code == 401, answer.url
        account = dict(username='ann', password='wrong')
        assert given.post('/login', data=account).status_code == 400
        assert given.post('/login', data=account | dict(password='secret')).status_code == 200
        assert given.get('/config').status_code == 200
