"""A server on this machine that plays Google Drive, and requests that go to it."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit, urlunsplit

from requests.adapters import HTTPAdapter

CONFIRM = """<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head>
<body><p class="uc-warning-caption">Google Drive can't scan this file for viruses.</p>
<form id="download-form" action="https://drive.usercontent.google.com/download" method="get">
<input type="submit" id="uc-download-link" value="Download anyway"/>
<input type="hidden" name="id" value="{id}"><input type="hidden" name="export" value="download">
<input type="hidden" name="confirm" value="t"><input type="hidden" name="uuid" value="4"></form>
</body></html>""".replace('\n', '')  # one line, as Drive sends it
QUOTA = """<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head><body>
<p class="uc-error-caption">Sorry, you can't view or download this file at this time.</p>
<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently.</p>
</body></html>"""


class Drive(ThreadingHTTPServer):
    """Serves ``files`` by id, each behind a page that asks for a confirmation.

    ``ends(number, first)`` says after how many bytes a transfer breaks off, given its number and
    first byte; ``ranges`` whether one may begin in the middle; ``page`` is sent in place of
    everything; after ``hold_after`` bytes a transfer waits for ``released``. ``asked`` lists paths,
    ``sent`` the first bytes of transfers. To go on gdown asks for the whole file, reads nothing of
    it, and asks anew for the rest.
    """

    daemon_threads = True

    def __init__(self, files):
        super().__init__(('127.0.0.1', 0), Handler)
        self.files, self.ranges = files, True
        self.ends = lambda number, first: None
        self.page = self.status = self.hold_after = None
        self.held, self.released = threading.Event(), threading.Event()
        self.asked, self.sent = [], []

    def handle_error(self, request, client_address):
        pass


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def html(self, text, status=200):
        body = text.encode()
        self.send_response(status)
        self.send_header('Content-Type', 'text/html; charset=utf-8')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        drive, parts = self.server, urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        drive.asked.append(parts.path)
        name = query.get('id')
        if drive.page or name not in drive.files:
            self.html(drive.page or '<html><title>404</title></html>', drive.status or 404)
        elif parts.path == '/uc':
            self.html(CONFIRM.format(id=name))
        elif parts.path == '/download' and query.get('confirm') == 't':
            self.send_file(drive.files[name])
        else:
            self.html('', 400)

    def send_file(self, content):
        asked = self.headers.get('Range') if self.server.ranges else None
        first = int(asked.removeprefix('bytes=').removesuffix('-')) if asked else 0
        if first >= len(content) > 0:
            self.html('', 416)
            return
        rest = content[first:]
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header('Content-Range', f'bytes {first}-{len(content) - 1}/{len(content)}')
        self.send_header('Content-Type', 'application/octet-stream')
        self.send_header('Content-Disposition', 'attachment; filename="published.bin"')
        self.send_header('Last-Modified', 'Sat, 01 May 2021 10:00:00 GMT')
        self.send_header('Content-Length', str(len(rest)))
        self.end_headers()
        end = self.server.ends(len(self.server.sent), first)
        self.server.sent.append(first)
        try:
            if hold := self.server.hold_after:
                self.wfile.write(rest[:hold])
                self.server.held.set()
                self.server.released.wait(60)
                rest = rest[hold:]
            self.wfile.write(rest[:end])
        except OSError:
            pass
        self.close_connection = True


@contextmanager
def running(files):
    drive = Drive(files)
    threading.Thread(target=drive.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield drive
    finally:
        drive.shutdown()
        drive.server_close()


def redirect(port, setattr=setattr):
    """Let requests for Google's hosts go to ``port`` of this machine; others are a failure."""
    send = HTTPAdapter.send

    def send_here(self, request, **kwargs):
        wanted = urlsplit(request.url)
        assert wanted.scheme == 'https' and wanted.hostname.endswith('.google.com'), request.url
        there = request.url
        request.url = urlunsplit(('http', f'127.0.0.1:{port}', wanted.path, wanted.query, ''))
        try:
            response = send(self, request, **(kwargs | dict(proxies={})))
        finally:
            request.url = there
        response.url = there
        return response

    setattr(HTTPAdapter, 'send', send_here)
