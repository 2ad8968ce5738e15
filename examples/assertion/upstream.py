# An application behind a proxy that asks cashsouk-auth. It believes what the header x-auth-assertion proves.
#
#   AUTH_URL=https://auth.example.com python3 upstream.py
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt

AUTH_URL = os.environ["AUTH_URL"]
AUDIENCE = os.environ.get("AUDIENCE", AUTH_URL)

keys = jwt.PyJWKClient(f"{AUTH_URL}/.well-known/jwks.json")


def check(assertion):
    """Who is signed in. Raises unless the assertion is by AUTH_URL, for AUDIENCE, and holds."""
    key = keys.get_signing_key_from_jwt(assertion).key
    return jwt.decode(
        assertion, key, algorithms=["ES256"], issuer=AUTH_URL, audience=AUDIENCE,
        leeway=10, options={"require": ["sub", "iat", "exp"]},
    )


class Upstream(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            status, body = 200, json.dumps(check(", ".join(self.headers.get_all("x-auth-assertion", []))))
        except jwt.PyJWTError:
            status, body = 401, "Sign in first"
        self.send_response(status)
        self.send_header("content-type", "application/json" if status == 200 else "text/plain")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), Upstream)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
