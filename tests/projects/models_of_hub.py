#!/usr/bin/env python3
"""Models of Hugging Face repositories: `efficientai models get hf:org/name` against hub_server.py, which
behaves, breaks off, stalls, lies and redirects. No network but 127.0.0.1.

models_of_hub.py BUILD [CASE ...]: runs every case, or those named. Exit status: 0 all passed, 1 some failed."""
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import hub_server
import tiny_model

TOOL = pathlib.Path(sys.argv[1]) / "bin/efficientai"
WORK = pathlib.Path(tempfile.mkdtemp(prefix="eai-hub-"))
HUB = hub_server.Hub()
NAME = "org/tiny"
TOKEN = "hf_secretsecretsecret"
KEEP = ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS", "LD_LIBRARY_PATH")
LARGE = random.Random(1).randbytes(3_000_000)
FILES = {"config.json": b'{"model_type": "llama"}', "tokenizer.json": b"{}", "README.md": b"# no\n",
         "model.safetensors": LARGE, "onnx/model.onnx": b"other", "a-Q4.gguf": b"GGUF4", "a-Q8.gguf": b"GGUF8"}
TAKEN = ["config.json", "model.safetensors", "tokenizer.json"]


def environment(**more):
    env = {k: os.environ[k] for k in KEEP if k in os.environ}
    env |= {"EFFICIENTAI_CACHE": str(WORK / "cache"), "HF_ENDPOINT": HUB.endpoint + "/", "LC_ALL": "C",
            "EFFICIENTAI_FETCH_ATTEMPTS": "1"}
    return {k: v for k, v in (env | more).items() if v is not None}


def run(*words, **more):
    return subprocess.run([str(TOOL), *map(str, words)], capture_output=True, text=True, timeout=120, check=False,
                          env=environment(**more))


def works(*words, **more):
    done = run(*words, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def fails(message, *words, **more):
    """One line on standard error that holds `message`, besides notes of earlier attempts and progress."""
    done = run(*words, **more)
    assert done.returncode == 1 and done.stdout == "", (done.returncode, done.stdout, done.stderr)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and message in errors[0], done.stderr
    return done.stderr


def get(*words, **more):
    return pathlib.Path(works("models", "get", "hf:" + NAME, *words, **more))


def get_fails(message, *words, **more):
    return fails(message, "models", "get", "hf:" + NAME, *words, **more)


def names_in(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def part_of(data):
    return WORK / "cache/hf" / NAME / "partial" / hub_server.sha256(data)


def assert_nothing_to_use():
    fails("run: efficientai models get hf:org/tiny", "models", "path", "hf:org/tiny")
    assert "org/tiny" not in works("models", "list")


def case_behaves():
    path = get()
    assert path.name == "model.safetensors" and path.read_bytes() == LARGE
    assert names_in(path.parent) == TAKEN
    HUB.requests.clear()
    assert get() == path and len(HUB.requests) == 1, HUB.requests  # asks what there is, fetches nothing
    assert works("models", "path", "hf:org/tiny") == str(path)
    (row,) = [line for line in works("models", "list").splitlines() if "org/tiny" in line]
    assert "apache-2.0" in row and "in the cache" in row and "3.0 MB" in row and "model.safetensors" in row, row
    listed = json.loads(works("models", "list", "--json"))["models"][-1]
    assert (listed["name"], listed["sha256"], listed["path"]) == ("hf:org/tiny", hub_server.sha256(LARGE), str(path))
    assert not list((WORK / "cache/hf" / NAME / "partial").iterdir())


def case_manifest_and_check():
    path = get()
    (manifest,) = (WORK / "cache/hf" / NAME / "manifests").iterdir()
    recorded = json.loads(manifest.read_text())
    assert recorded["commit"] == path.parent.name == HUB.repositories[NAME]
    assert [(f["name"], f["bytes"], f["sha256"]) for f in recorded["files"]] == [
        (n, len(FILES[n]), hub_server.sha256(FILES[n])) for n in TAKEN]
    assert "every byte" in works("models", "check", "hf:org/tiny")
    damaged = bytearray(LARGE)
    damaged[1234567] ^= 1
    path.write_bytes(damaged)
    for words in (("models", "check", "hf:org/tiny"),
                  ("logits", "--check", "--model", "hf:org/tiny", "--ids", "1", "--output", WORK / "logits.npy")):
        fails("model.safetensors' is damaged: SHA-256 is", *words)
    path.unlink()
    fails("is missing or has not 3000000 bytes; run: efficientai models get", "models", "check", "hf:org/tiny")
    assert get().read_bytes() == LARGE
    manifest.write_text(manifest.read_text().replace('"name": "config.json"', '"name": "../../x"'))
    fails("file 0: needs a name of its own", "models", "path", "hf:org/tiny")
    get()
    works("models", "check", "hf:org/tiny")


def case_a_gguf_by_its_name():
    tiny = tiny_model.write(WORK / "tiny.gguf").read_bytes()
    HUB.put(NAME, {"tiny-Q8.gguf": tiny, "sub/tiny-Q4.gguf": b"GGUF", "config.json": b"{}"})
    get_fails("more than one model matches: name one with --file; there are: sub/tiny-Q4.gguf, tiny-Q8.gguf")
    get_fails("no file matches the pattern given with --file; there are: sub/tiny-Q4.gguf", "--file", "*Q5*")
    fails("run: efficientai models get hf:org/tiny", "logits", "--model", "hf:org/tiny", "--ids", 1, "--output", "no")
    path = get("--file", "*Q8.gguf")
    assert path.name == "tiny-Q8.gguf"
    works("logits", "--check", "--model", "hf:org/tiny", "--ids", "1,2", "--output", WORK / "logits.npy")
    assert (WORK / "logits.npy").exists()
    other = get("--file", "sub/*")  # adds to what is there, and is the model from now on
    assert other == path.parent / "sub/tiny-Q4.gguf" and path.read_bytes() == tiny
    HUB.put(NAME, {f"m-0000{i}-of-00002.gguf": b"GGUF" for i in (1, 2)})
    assert get().name == "m-00001-of-00002.gguf"


def case_several_files_and_revisions():
    parts = {f"model-0000{i}-of-00002.safetensors": bytes(i) for i in (1, 2)}
    first = HUB.put(NAME, parts | {"model.safetensors.index.json": b"{}", "consolidated.safetensors": b"x"})
    assert get().name == "model.safetensors.index.json"
    assert names_in(get().parent) == [*parts, "model.safetensors.index.json"]
    assert len(HUB.asked("hub", "/revision/main?blobs=true")) == 2
    HUB.put(NAME, FILES)
    assert works("models", "get", f"hf:org/tiny@{first}").endswith(f"{first}/model.safetensors.index.json")
    works("models", "get", "hf:org/tiny@v1/x")
    assert HUB.asked("hub", "/revision/v1%2Fx?")
    listed = works("models", "list")
    assert f"hf:org/tiny@{first} " in listed and "hf:org/tiny@v1/x " in listed and "hf:org/tiny " in listed, listed
    fails("no such repository or revision: the server answers 404", "models", "get", "hf:org/tiny@gone")


def case_token_stays_with_its_host():
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        HUB.requests.clear()
        done = run("models", "get", "hf:org/tiny", "--log-level", "trace", **{variable: TOKEN})
        assert done.returncode == 0 and TOKEN not in done.stdout + done.stderr, done.stderr
        asked = HUB.asked("hub")
        assert asked and all(h["Authorization"] == f"Bearer {TOKEN}" for _, h in asked), asked
        if variable == "HF_TOKEN":
            assert HUB.asked("store") and not any("Authorization" in h for _, h in HUB.asked("store"))
    get_fails("the token has a control character", HF_TOKEN="a\r\nX-Evil: 1")
    # The same server under another name is another host, in both directions.
    HUB.requests.clear()
    HUB.misbehave["location"] = f"http://localhost:{HUB.port('hub')}/"
    get_fails("more than 10 redirects", HF_TOKEN=TOKEN)
    assert len(HUB.requests) == 11
    assert ["Authorization" in h for _, h in HUB.asked("hub")] == [True] + [False] * 10


def case_proxy_and_no_token_in_the_clear():
    done = run("models", "get", "hf:org/tiny", HF_ENDPOINT="http://hub.invalid", http_proxy=HUB.endpoint,
               no_proxy="localhost", HF_TOKEN=TOKEN)
    assert done.returncode == 0 and "the token is not sent to http://hub.invalid:80" in done.stderr, done.stderr
    assert len(HUB.asked("hub", "http://hub.invalid/")) == 1 + len(TAKEN), HUB.requests
    assert not any("Authorization" in headers for _, _, headers in HUB.requests)
    get_fails("http://127.0.0.1:1: ", HF_ENDPOINT="http://127.0.0.1:1")
    get_fails("'ftp://127.0.0.1/api/models/org/tiny/revision/main?blobs=true' is no http or https address",
              HF_ENDPOINT="ftp://127.0.0.1")


def case_connection_breaks():
    HUB.misbehave["cut"] = [1_000_000, 1_500_000]
    path = get(EFFICIENTAI_FETCH_ATTEMPTS="3")
    assert path.read_bytes() == LARGE
    seen = [(h.get("Range"), h.get("If-Range")) for _, h in HUB.asked("store")]
    assert seen == [(None, None), ("bytes=1000000-", '"e"'), ("bytes=2500000-", '"e"')], seen


def case_later_fetch_goes_on():
    HUB.misbehave["cut"] = [2_000_000]
    get_fails("file 'model.safetensors': http://localhost:")
    assert_nothing_to_use()
    assert part_of(LARGE).stat().st_size == 2_000_000
    assert get().read_bytes() == LARGE
    assert [h.get("Range") for _, h in HUB.asked("store")] == [None, "bytes=2000000-"]


def case_killed():
    HUB.misbehave["slow"] = 0.05
    child = subprocess.Popen([str(TOOL), "models", "get", "hf:org/tiny"], env=environment(), stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not (part_of(LARGE).exists() and part_of(LARGE).stat().st_size > 500_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    HUB.misbehave.clear()
    assert_nothing_to_use()
    assert get().read_bytes() == LARGE
    assert int(HUB.asked("store")[-1][1]["Range"].strip("bytes=-")) > 500_000


def case_ranges_that_do_not_work():
    for trouble in ({"no_ranges": True}, {"status_416": True}):
        HUB.misbehave = {"cut": [1_000_000]} | trouble
        assert get(EFFICIENTAI_FETCH_ATTEMPTS="3").read_bytes() == LARGE
        shutil.rmtree(WORK / "cache")
    HUB.misbehave = {"cut": [1_000_000], "range": f"bytes 5-{len(LARGE) - 1}/{len(LARGE)}"}
    get_fails("the server sends 'bytes 5-2999999/3000000' where 1000000-2999999/3000000 was asked for",
              EFFICIENTAI_FETCH_ATTEMPTS="3")


def case_what_is_there_is_wrong():
    part_of(LARGE).parent.mkdir(parents=True)
    for there in (bytes(1000), bytes(len(LARGE)), bytes(len(LARGE) + 1)):
        part_of(LARGE).write_bytes(there)
        if len(there) == 1000:
            get_fails("file 'model.safetensors': SHA-256 is")
            part_of(LARGE).write_bytes(there)
        assert get(EFFICIENTAI_FETCH_ATTEMPTS="2").read_bytes() == LARGE
        shutil.rmtree(WORK / "cache/hf" / NAME / "snapshots")


def case_stalls():
    HUB.misbehave["stall"] = True
    start = time.monotonic()
    get_fails("file 'model.safetensors': http://localhost:", EFFICIENTAI_FETCH_STALL="1")
    assert time.monotonic() - start < 15


def case_lies():
    HUB.misbehave = {"no_length": True, "cut": [1_000_000]}
    get_fails("file 'model.safetensors': ended after 1000000 of 3000000 bytes")
    shutil.rmtree(WORK / "cache")
    HUB.misbehave = {"lie": 2_999_999}
    get_fails("the server sends 2999999 bytes, the list of files says 3000000", EFFICIENTAI_FETCH_ATTEMPTS="3")
    shutil.rmtree(WORK / "cache")
    HUB.misbehave = {"no_length": True, "content": lambda d: d + b"more" if len(d) == len(LARGE) else d}
    get_fails("the answer is longer than the 3000000 bytes that are allowed", EFFICIENTAI_FETCH_ATTEMPTS="3")
    shutil.rmtree(WORK / "cache")
    HUB.misbehave["cut"] = [1_000_000]
    get_fails("the server sends more than the 3000000 bytes of the list of files", EFFICIENTAI_FETCH_ATTEMPTS="3")
    assert_nothing_to_use()


def case_wrong_content():
    HUB.misbehave["content"] = lambda d: bytes(len(d)) if len(d) == len(LARGE) else d
    get_fails(f"file 'model.safetensors': SHA-256 is {hub_server.sha256(bytes(len(LARGE)))}, expected "
              f"{hub_server.sha256(LARGE)}", EFFICIENTAI_FETCH_ATTEMPTS="3")
    assert len(HUB.asked("store")) == 1  # all of it and wrong: asking again does not help
    HUB.misbehave["content"] = lambda d: b" " * len(d) if len(d) < 100 else d
    get_fails("file 'config.json': git's SHA-1 is", EFFICIENTAI_FETCH_ATTEMPTS="3")
    assert_nothing_to_use()


def case_statuses():
    for status, message in ((401, "HF_TOKEN holds no token): the server answers 401: not signed in"),
                            (403, "a private or gated one (HF_TOKEN holds no token): the server answers 403"),
                            (404, "no such repository or revision: the server answers 404"),
                            (418, "the server answers 418: not understood"),
                            (429, "the server answers 429: too many requests"),
                            (500, "the server answers 500: the server has a problem")):
        HUB.misbehave["statuses"] = [status]
        get_fails(message)
    HUB.misbehave["statuses"] = [403]
    get_fails("the token in HF_TOKEN does not open it", HF_TOKEN=TOKEN)
    HUB.misbehave["statuses"] = [200, 403]
    get_fails("file 'config.json': the server answers 403", EFFICIENTAI_FETCH_ATTEMPTS="3")
    HUB.misbehave["statuses"] = [503, 200, 429]
    done = run("models", "get", "hf:org/tiny", EFFICIENTAI_FETCH_ATTEMPTS="2")
    assert done.returncode == 0 and done.stderr.count("trying again (2 of 2)") == 2, done.stderr


def case_redirects():
    HUB.misbehave["loop"] = True
    get_fails("more than 10 redirects")
    assert len(HUB.requests) == 11
    for location in ("file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x"):
        HUB.misbehave = {"location": location}
        get_fails("redirects to ")


def case_encrypted():
    """A certificate of our own: refused, then named by SSL_CERT_FILE; and no way back to http."""
    if not shutil.which("openssl"):
        print("SKIPPED encrypted: no program openssl to make a certificate with")
        return
    key, certificate = WORK / "key.pem", WORK / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate], check=True,
                   capture_output=True)
    endpoint = f"https://localhost:{HUB.serve_encrypted(certificate, key)}"
    get_fails(f"{endpoint}: SSL certificate problem", HF_ENDPOINT=endpoint, HF_TOKEN=TOKEN)
    assert not HUB.requests
    HUB.put(NAME, {"model.gguf.json": b"{}", "config.json": b"{}", "big.gguf": b"GGUF"})
    get_fails("redirects to http://localhost:", HF_ENDPOINT=endpoint, SSL_CERT_FILE=str(certificate))
    assert not HUB.asked("store")
    assert get("--file", "model.gguf.json", HF_ENDPOINT=endpoint, SSL_CERT_FILE=str(certificate)).is_dir()


def case_hostile_listings():
    def named(name):
        return lambda listing: json.dumps(listing | {"siblings": [{"rfilename": name, "size": 1}] + listing["siblings"]})
    for name in ("../config.json", "/etc/passwd", "a/../../config.json", "a//b", "./config.json", "a\\b.json",
                 "config\n.json", "\x1b[2Jtokenizer.json", "tokenizer\u0085", "", "n" * 600, "config.json/"):
        HUB.misbehave["listing"] = named(name)
        get_fails("the list of files: the file name '")
    for change, message in (({"sha": "../../x"}, "'sha' is no commit of 40 digits"),
                            ({"siblings": {}}, "'siblings' is no list"),
                            ({"siblings": [{"rfilename": "a"}]}, "file 'a' has no size"),
                            ({"siblings": [{"rfilename": "a", "size": 1 << 60}]}, "file 'a' has no size, or one above"),
                            ({"siblings": [{"rfilename": "a", "size": 1}] * 2}, "file 'a' is there twice"),
                            ({"siblings": [{"rfilename": "a", "size": 1, "blobId": "../x"}]}, "its blobId is not"),
                            ({"siblings": []}, "the repository has no weights"),
                            ({"siblings": [{"rfilename": "model.safetensors", "size": 1 << 49}]}, " needs 562.9 TB, ")):
        HUB.misbehave["listing"] = lambda listing, change=change: json.dumps(listing | change)
        get_fails(message)
    for text in ("", "<html>", "[" * 100_000, '{"sha": 1, "sha": 2}'):
        HUB.misbehave["listing"] = lambda listing, text=text: text
        get_fails("the list of files")
    HUB.misbehave["listing"] = lambda listing: " " * (65 << 20)
    get_fails("the answer is longer than the 67108864 bytes that are allowed")
    assert_nothing_to_use()


def case_hostile_names_of_models():
    for name in ("tiny", "../x", "org/..", "org/a/b", "org/a@../x", "org/a@", "org/", "org/a b", "org/a@x//y",
                 "org/a?x=1", "org/-a", "org/" + "a" * 97):
        for words in (("models", "get"), ("models", "path"), ("logits", "--ids", 1, "--output", "no", "--model")):
            fails("is no name of a repository", *words, "hf:" + name)
    assert not HUB.requests


def case_offline():
    for variable, value in (("EFFICIENTAI_OFFLINE", "1"), ("HF_HUB_OFFLINE", "true")):
        get_fails(f"not in the cache, and {variable}={value} forbids to fetch it", **{variable: value})
    fails("EFFICIENTAI_OFFLINE=1 forbids", "models", "get", EFFICIENTAI_OFFLINE="1")
    assert not HUB.requests
    path = get()
    HUB.requests.clear()
    assert get(HF_HUB_OFFLINE="1") == path
    assert works("models", "path", "hf:org/tiny", HF_HUB_OFFLINE="1") == str(path)
    assert not HUB.requests


def case_old_until_all_of_the_new_is_there():
    old = get()
    HUB.put(NAME, FILES | {"model.safetensors": LARGE[::-1], "config.json": b'{"new": 1}'})
    HUB.misbehave["cut"] = [100_000]
    get_fails("file 'model.safetensors'")
    assert works("models", "path", "hf:org/tiny") == str(old)
    works("models", "check", "hf:org/tiny")
    new = get()
    assert new != old and new.read_bytes() == LARGE[::-1] and old.read_bytes() == LARGE
    assert (new.parent / "config.json").read_bytes() == b'{"new": 1}'
    assert works("models", "path", "hf:org/tiny") == str(new)


def case_two_at_once():
    HUB.misbehave["slow"] = 0.02
    both = [subprocess.Popen([str(TOOL), "models", "get", "hf:org/tiny"], env=environment(), stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ends = [child.communicate(timeout=60) for child in both]
    assert [child.returncode for child in both] == [0, 0], ends
    assert ends[0][0] == ends[1][0] and sum("waiting for it" in e for _, e in ends) == 1, ends
    assert len(HUB.asked("store")) == 1


def case_cannot_be_written():
    (WORK / "cache").mkdir()
    (WORK / "cache/hf").write_text("in the way")
    get_fails("cache/hf")
    done = run("models", "get", "smollm2-135m-instruct", "--file", "x")
    assert done.returncode == 2 and "--file is for repositories" in done.stderr, done.stderr


def main():
    wanted, failed, passed = sys.argv[2:], 0, 0
    for name, case in list(globals().items()):
        if not name.startswith("case_") or (wanted and name[5:] not in wanted):
            continue
        shutil.rmtree(WORK / "cache", ignore_errors=True)
        HUB.put(NAME, FILES)
        HUB.misbehave = {}
        HUB.requests.clear()
        start = time.monotonic()
        try:
            case()
            passed += 1
            print(f"ok      {name[5:]} ({time.monotonic() - start:.1f} s)", flush=True)
        except Exception as e:  # every case runs, whatever the one before did
            failed += 1
            print(f"FAILED  {name[5:]}: line {e.__traceback__.tb_next.tb_lineno}: {type(e).__name__}: {e}", flush=True)
    shutil.rmtree(WORK)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
