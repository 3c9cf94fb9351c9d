"""A company for the tests: a real server process on a free port, people, customers."""

import http.client
import http.server
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import urllib.request

PASSWORD = "long enough to remember"
TOP = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", TOP / "target")).resolve()
BINARY = os.environ.get("FIELDPOOL_BINARY", str(TARGET / "debug/fieldpool"))
CUSTOMERS = ["长城贸易", "Alfreds Futterkiste", "Östlund & Söner", "O'Reilly <b>", "最后一家"]


class Company:
    """Li and Wang are reps of one team, Admin may revoke devices. Li owns CUSTOMERS; one more lies in the pool."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="fieldpool-python-")
        self.folder = pathlib.Path(self._folder.name)
        self.data = self.folder / "data"
        self.server = None
        self.start()
        self.org = self.admin("org", "add", "--name", "Python")["org"]
        team = self.admin("team", "add", "--org", self.org, "--name", "Team")["team"]
        self.pool = self.admin("pool", "add", "--org", self.org, "--name", "Open")["pool"]
        for login, role in [("li", "rep"), ("wang", "rep"), ("admin", "admin")]:
            words = ["--org", self.org, "--login", login, "--name", login.title(), "--role", role]
            belongs = ["--team", team, "--pool", self.pool] if role == "rep" else []
            self.admin("user", "add", *words, *belongs)
        self.import_customers([(name, "li") for name in CUSTOMERS])
        self.import_customers([("Free for all", "")], "--pool", self.pool)

    def start(self, *words):
        self.server = subprocess.Popen(
            [BINARY, "serve", "--data", self.data, "--listen", "127.0.0.1:0", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.url = json.loads(self.server.stdout.readline())["url"]

    def stop(self):
        if self.server:
            self.server.terminate()
            self.server.wait()
            self.server.stdout.close()
            self.server = None

    def close(self):
        self.stop()
        self._folder.cleanup()

    def run(self, *words):
        environment = dict(os.environ, FIELDPOOL_PASSWORD=PASSWORD)
        done = subprocess.run([BINARY, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            raise AssertionError(f"{words}: {done.stderr}")
        return json.loads(done.stdout) if done.stdout else None

    def admin(self, *words):
        return self.run("admin", "--data", str(self.data), *words, "--json")

    def import_customers(self, rows, *words):
        file = self.folder / "customers.csv"
        lines = ["name,key,owner"] + [f'"{name}",{name}-{owner},{owner}' for name, owner in rows]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        fields = "name=name,external_id=key" + ("" if words else ",owner=owner")
        self.run("import", "customers", str(file), "--data", str(self.data), "--org", self.org, "--map", fields, *words, "--json")

    def call(self, method, path, body=None, token=None):
        headers = {"content-type": "application/json"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def start_with_tls(self):
        """Starts again with a certificate that no authority knows. Gives the file to trust."""
        self.stop()
        certificate, key = self.folder / "certificate.pem", self.folder / "key.pem"
        names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
        request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        request += ["-days", "2", "-subj", "/CN=test", "-addext", names, "-addext", "basicConstraints=critical,CA:FALSE"]
        request += ["-keyout", key, "-out", certificate]
        subprocess.run(request, check=True, capture_output=True)
        self.start("--tls-certificate", certificate, "--tls-key", key)
        return certificate

    def revoke(self, device):
        token = self.call("POST", "/api/v1/tokens", {"login": "admin", "password": PASSWORD})["token"]
        self.call("DELETE", f"/api/v1/devices/{device}", token=token)


class Gate:
    """Stands between a phone and the server, and says what it is told to instead of the server's answer to a sync."""

    def __init__(self, url):
        self.said = None
        gate, server = self, url.removeprefix("http://")

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if gate.said and self.path == "/v1/sync":
                    status, headers, answer = gate.said
                else:
                    connection = http.client.HTTPConnection(server)
                    connection.request("POST", self.path, body, dict(self.headers))
                    passed = connection.getresponse()
                    status, answer = passed.status, passed.read()
                    headers = {"content-type": passed.headers.get("content-type", "")}
                    connection.close()
                self.send_response(status)
                for name, value in {"content-length": str(len(answer)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)
                # A promise of more than came is kept by nobody: the phone must not wait for it.
                self.close_connection = True

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
