"""A small copy of Hugging Face's hub on 127.0.0.1 that can misbehave: Hub(), then .put(...), .misbehave.

Two servers, as there: the hub (lists, small files) and a store of large files, reached by a redirect to
another host name and port. What was asked is in .requests: (server, path, headers)."""
import hashlib
import http.server
import json
import ssl
import sys
import threading
import time
import urllib.parse

LARGE = (".gguf", ".safetensors")


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Hub:
    def __init__(self):
        self.repositories = {}  # "org/name" -> {file: bytes}
        self.commits = {}       # commit -> {file: bytes}
        self.store = {}         # SHA-256 -> bytes
        self.requests = []
        self.misbehave = {}     # see Handler; emptied by each case
        self.servers = {name: self._serve(name) for name in ("hub", "store")}
        self.endpoint = f"http://127.0.0.1:{self.port('hub')}"

    def _serve(self, name, tls=None, *certificate):
        handler = type("Handler", (Handler,), {"hub": self, "server_name": name})
        server = Server(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        if tls:
            tls.load_cert_chain(*certificate)
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def serve_encrypted(self, certificate, key):
        """The hub over TLS as well; returns the port."""
        self.servers["tls"] = server = self._serve("hub", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)
        return server.server_address[1]

    def port(self, name):
        return self.servers[name].server_address[1]

    def put(self, repository, files):
        """The files of the branch main from now on; returns its commit."""
        commit = hashlib.sha1(repr(sorted((n, sha256(d)) for n, d in files.items())).encode()).hexdigest()
        self.repositories[repository] = commit
        self.commits[commit] = dict(files)
        self.store.update({sha256(d): d for d in files.values()})
        return commit

    def asked(self, server, part=""):
        return [(path, headers) for name, path, headers in self.requests if name == server and part in path]

    def listing(self, commit):
        rows = []
        for name, data in self.commits[commit].items():
            row = {"rfilename": name, "size": len(data), "blobId": git_sha1(data)}
            if name.endswith(LARGE):
                row["blobId"] = git_sha1(b"pointer")
                row["lfs"] = {"sha256": sha256(data), "size": len(data), "pointerSize": 134}
            rows.append(row)
        return {"sha": commit, "cardData": {"license": "apache-2.0"}, "siblings": rows}


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that goes away is what some cases are about; anything else is a mistake here."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    """hub.misbehave: statuses (a list, one a request to the hub), listing (a function), loop, location,
    content (a function of bytes), and of the store: cut (bytes after which the connection ends, a list, one a
    request), stall, slow, lie (a Content-Length), no_length, no_ranges, range (a Content-Range), status_416."""
    hub = server_name = None
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def end(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        hub, bad = self.hub, self.hub.misbehave
        self.close_connection = True
        hub.requests.append((self.server_name, self.path, dict(self.headers)))
        if self.server_name == "store":
            return self.send_large(hub.store[self.path.split("/")[-1]])
        if bad.get("statuses"):
            status = bad["statuses"].pop(0)
            if status != 200:
                return self.end(status, b"<html>no</html>", Retry_After="1")
        if bad.get("loop"):
            return self.end(302, Location=self.path + "x")
        if bad.get("location"):
            return self.end(302, Location=bad["location"])
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).split("/")
        if path[1] == "api":
            commit = hub.repositories.get("/".join(path[3:5]))
            revision = "/".join(path[6:])
            commit = revision if revision in hub.commits else commit
            if not commit or (revision not in (commit, "main", "v1/x")):
                return self.end(404)
            text = bad["listing"](hub.listing(commit)) if "listing" in bad else json.dumps(hub.listing(commit))
            return self.end(200, text.encode())
        name = "/".join(path[5:])
        data = hub.commits[path[4]][name]
        if name.endswith(LARGE):
            return self.end(302, Location=f"http://localhost:{hub.port('store')}/of/{sha256(data)}")
        return self.end(200, bad.get("content", lambda d: d)(data), ETag='"small"')

    def send_large(self, data):
        bad, first, size = self.hub.misbehave, 0, len(data)
        if bad.get("stall"):
            time.sleep(30)
        wanted = self.headers.get("Range")
        if wanted and bad.get("status_416"):
            return self.end(416)
        if wanted and not bad.get("no_ranges") and self.headers.get("If-Range", '"e"') == '"e"':
            first = int(wanted.removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            self.send_header("Content-Range", bad.get("range", f"bytes {first}-{size - 1}/{size}"))
        else:
            self.send_response(200)
        data = bad.get("content", lambda d: d)(data)[first:]
        self.send_header("ETag", '"e"')
        if not bad.get("no_length"):
            self.send_header("Content-Length", str(bad.get("lie", len(data))))
        self.end_headers()
        if bad.get("cut"):
            data = data[:bad["cut"].pop(0)]
        try:
            for i in range(0, len(data), 65536):
                self.wfile.write(data[i:i + 65536])
                time.sleep(bad.get("slow", 0))
        except (BrokenPipeError, ConnectionResetError):
            pass
        return None
