#!/usr/bin/env python3
"""Tries the program of an archive, on its own system or through what pretends to be one (Wine, qemu): logs in by
browser, gets tokens, refreshes by many processes at once, speaks the editor's protocol, logs out; with each store.

usage: try_program.py [--runner "COMMAND"] [--paths PREFIX] [--stores NAMES] [--many N] [--rounds N] PROGRAM

--runner   what runs the program: wine, qemu-aarch64
--paths    before a path of this machine where the program has another name for it: Z: for Wine
--stores   local-encrypted, keyring or both, with a comma between; both if it is left out. A keyring is the one of the
           session that this is run in: a store of its own is given to it, and nothing of the person's is touched
--many     processes that refresh one expired login at once; eight if it is left out
--rounds   how often they do; three if it is left out

The providers are the sandbox (cargo build --example sandbox). Ends with 1 at the first thing that is not as it has to be.
"""

import argparse
import json
import os
import pathlib
import queue
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
BUILT = ROOT / "target/debug/examples" / ("sandbox.exe" if os.name == "nt" else "sandbox")
SANDBOX = pathlib.Path(os.environ.get("CONVOCATIONS_SANDBOX") or BUILT)
LOGIN, ROUTE = "anthropic", "anthropic.token"
# Seconds: longer than anything takes, on a processor that is pretended too.
LIMIT = 120
# Milliseconds that the provider takes for a refresh: every process has begun by then.
SLOW = 4000
# Loopback is reached by no proxy.
browser = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def check(is_so, what):
    if not is_so:
        sys.exit(f"try: {what}")


class Sandbox:
    """The pretend providers, which approve every login."""

    def __init__(self):
        command = [str(SANDBOX), "--auto", "--config-toml", "--stdin"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        ready = json.loads(self.process.stdout.readline())
        self.url, self.config = ready["url"], ready["config_toml"]

    def control(self, name, body):
        request = urllib.request.Request(f"{self.url}/_control/{name}", json.dumps(body).encode(), method="POST")
        browser.open(request, timeout=LIMIT).read()

    def refreshes(self):
        calls = json.load(browser.open(f"{self.url}/_control/calls", timeout=LIMIT))
        return calls["grants"].get(f"{ROUTE}:refresh_token", 0)


class Program:
    """The program under trial, with settings of its own."""

    def __init__(self, arguments, sandbox, folder, store):
        self.command = [*shlex.split(arguments.runner), arguments.program]
        self.folder = folder
        store = f'[store]\nbackend = "{store}"\nkeyring_timeout = 30\n[callback]\nport = 0\n'
        (folder / "config.toml").write_text(f"{sandbox.config}\n{store}")
        notices = 'version = 1\nconfirmed_notices = ["anthropic/subscription"]\n'
        (folder / "credentials.toml").write_text(notices)
        folders = {name: str(folder / "xdg") for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
        # No browser of this machine opens anything.
        own = {"CONVOCATIONS_DIR": arguments.paths + str(folder), "BROWSER": "there-is-none", **folders}
        self.environment = {**os.environ, **own}

    def start(self, *words):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([*self.command, *words], env=self.environment, **pipes)

    def finish(self, process):
        """Its answer, its complaints and its exit code."""
        try:
            out, complaint = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            sys.exit("try: a process did not end")
        return out.decode().strip(), complaint.decode().strip(), process.returncode

    def run(self, *words):
        out, complaint, code = self.finish(self.start(*words))
        check(code == 0, f"{' '.join(words)} ended with {code}: {complaint}")
        return out

    def status(self):
        return json.loads(self.run("status", "--json"))["logins"]


def read_until(stream, is_enough, what):
    """What comes until it is enough; from then on it is read and thrown away, so that nobody waits for us."""
    chunks = queue.Queue()

    def read():
        while chunk := os.read(stream.fileno(), 4096):
            chunks.put(chunk)

    threading.Thread(target=read, daemon=True).start()
    seen, end = b"", time.monotonic() + LIMIT
    while not (found := is_enough(seen)):
        try:
            seen += chunks.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            sys.exit(f"try: {what}: {seen.decode(errors='replace')}")
    return found


def log_in(program):
    """By the address that is shown, as a browser opens it."""
    process = program.start("login", LOGIN, "--method", "subscription")
    shown = re.compile(rb"^(http://127\.0\.0\.1\S+)\s", re.MULTILINE).search
    address = read_until(process.stderr, shown, "the login shows no address").group(1).decode()
    browser.open(address, timeout=LIMIT).read()
    check(process.wait(LIMIT) == 0, f"the login ended with {process.returncode}")


def expire(program, sandbox):
    """A new login whose token has ended by this machine's clock."""
    sandbox.control("lifetime", {"seconds": 1})
    log_in(program)
    sandbox.control("lifetime", {"seconds": 28800})
    end = program.status()[0]["expires_at"]
    # The clock is what is waited for.
    while time.time() <= end + 1:
        time.sleep(0.2)


def refresh_at_once(program, sandbox, many):
    """All of them get the one new token, and the provider hears of one refresh."""
    expire(program, sandbox)
    before = sandbox.refreshes()
    slow = {"route": ROUTE, "grant": "refresh_token", "times": 1, "fault": {"delay_ms": SLOW}}
    sandbox.control("fault", slow)
    began = time.monotonic()
    processes = [program.start("token", LOGIN) for _ in range(many)]
    ran = [program.finish(process) for process in processes]
    took = time.monotonic() - began
    for _, complaint, code in ran:
        check(code == 0, f"of {many} that refreshed at once one ended with {code}: {complaint}")
    check(len({out for out, _, _ in ran}) == 1 and ran[0][0], "they got different tokens")
    check(sandbox.refreshes() - before == 1, f"the provider heard of {sandbox.refreshes() - before} refreshes")
    check(program.run("token", LOGIN) == ran[0][0], "and what they got was not kept")
    return took


def packed(value):
    """MessagePack of what a call needs: numbers under 128, texts under 64 KiB, short lists and maps."""
    if isinstance(value, int):
        return bytes([value])
    if isinstance(value, str):
        return b"\xda" + struct.pack(">H", len(value.encode())) + value.encode()
    if isinstance(value, list):
        return bytes([0x90 | len(value)]) + b"".join(map(packed, value))
    return bytes([0x80 | len(value)]) + b"".join(packed(key) + packed(value[key]) for key in value)


def speak(program, token):
    """The editor's protocol (doc/rpc.md): hello, a token, and the end with standard input."""
    process = program.start("rpc")
    for number, method, parameters in [
        (1, "hello", {"protocol": 1, "version": "test", "options": {}}),
        (2, "get", {"login": LOGIN}),
    ]:
        process.stdin.write(packed([2, "call", [number, method, parameters]]))
        process.stdin.flush()
    read_until(process.stdout, lambda seen: token.encode() in seen, "the editor's protocol brings no token")
    process.stdin.close()
    check(process.wait(LIMIT) == 0, f"rpc ended with {process.returncode} at the end of its input")


def log_out(program, folder):
    program.run("logout", LOGIN)
    check(program.status() == [], "there is a login after the logout")
    check(program.finish(program.start("token", LOGIN))[2] == 3, "there is a token after the logout")
    check(not list(folder.glob(".convocations-new-*")), "a temporary file was left")


def try_store(arguments, store):
    with tempfile.TemporaryDirectory(prefix="conv-try-") as name:
        folder, sandbox = pathlib.Path(name), Sandbox()
        program = Program(arguments, sandbox, folder, store)
        log_in(program)
        (login,) = program.status()
        check(login["store"] == store, f"the login is in {login}")
        token = program.run("token", LOGIN)
        check(token and token not in (folder / "credentials.toml").read_text(), "the token is to be read in a file")
        speak(program, token)
        print(f"· {store}: logged in, a token, and over the editor's protocol")
        for _ in range(arguments.rounds):
            took = refresh_at_once(program, sandbox, arguments.many)
            print(f"· {store}: {arguments.many} at once, one refresh, one token for all: {took:.1f} s")
        log_out(program, folder)
        print(f"· {store}: logged out, and nothing is left")
        sandbox.process.stdin.close()
        sandbox.process.wait(LIMIT)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runner", default="")
    parser.add_argument("--paths", default="")
    parser.add_argument("--stores", default="local-encrypted,keyring")
    parser.add_argument("--many", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("program")
    arguments = parser.parse_args()
    check(SANDBOX.exists(), "the pretend providers are not built: cargo build --example sandbox")
    command = [*shlex.split(arguments.runner), arguments.program]
    for option, word in (("--version", "convocations "), ("--help", "Usage: ")):
        said = subprocess.run([*command, option], stdout=subprocess.PIPE, timeout=LIMIT, check=True).stdout.decode()
        check(word in said, f"{option} says: {said}")
        print(f"· {option}: {said.splitlines()[0]}")
    for store in arguments.stores.split(","):
        try_store(arguments, store)


main()
