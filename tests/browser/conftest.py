"""One whole stack with the drill on it, and a real browser in which people sign in.

The stack is started as `make run` starts it. Nothing of it is replaced.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from sentinel.env import ROOT
from tests.stack.running import Stack, until

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PASSWORD = "a-long-enough-phrase"
CAST = {"ana": "operator", "jonas": "responder", "mei": "viewer", "otto": "auditor"}
MAKE_PEOPLE = """
from apps.accounts.models import User
for name, role in {cast!r}.items():
    person = User(username=name, role=role, first_name=name.title())
    person.set_password({password!r})
    person.save()
"""

SignIn = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a browser; without one it is skipped and says so."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if not CHROMIUM:
                item.add_marker(pytest.mark.skip(reason="no Chromium: apt-get install chromium"))


class Place:
    """A running stack, and how its parts are reached."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.address = f"http://localhost:{stack.port}"

    def manage(self, code: str) -> str:
        """Runs `code` in Django on the stack's own database."""
        env = self.stack.env | json.loads((self.stack.home / "run" / "access.json").read_text())
        command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def drill_incident(self) -> int:
        """The drill's first incident, waited for."""
        ask = (
            "from apps.incidents.models import Incident\n"
            "print(min(Incident.objects.filter(drill=True).values_list('pk', flat=True), default=0))"
        )
        return until(lambda: int(self.manage(ask)), seconds=90)

    def marked(self, marker: str) -> list[int]:
        """Processes of this machine that carry the run's marker in their environment."""
        wanted = f"SENTINEL_RUN={marker}\0".encode()
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                try:
                    if wanted in (folder / "environ").read_bytes() + b"\0":
                        found.append(int(folder.name))
                except OSError:
                    continue
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A fresh stack on which the drill has just begun."""
    folder = tmp_path_factory.mktemp("stack")
    stack = Stack(folder, SENTINEL_DRILL="rome", SENTINEL_ADMIN_PASSWORD=PASSWORD, SENTINEL_RESPAWN_WATCH="2")
    made = Place(stack.start())
    try:
        made.manage(MAKE_PEOPLE.format(cast=CAST, password=PASSWORD))
        yield made
    finally:
        stack.stop()
        if keep := os.environ.get("SENTINEL_TEST_LOGS"):
            shutil.copytree(stack.home / "log", keep, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one module: while it is open its event loop runs, and no other test could have one."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def sign_in(browser: Browser, place: Place) -> Iterator[SignIn]:
    """`sign_in("ana")` is a page of Ana's; what her browser complains about fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def enter(name: str, *, theme: str = "dark", width: int = 1440, height: int = 900) -> Page:
        context = browser.new_context(color_scheme=theme, viewport={"width": width, "height": height})  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        page.on(
            "console", lambda line: complaints.append(line.text) if "Content Security" in line.text else None
        )
        page.goto(f"{place.address}/accounts/login/")
        page.locator("input[name=login]").fill(name)
        page.locator("input[name=password]").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("heading", name="Queue").wait_for()
        return page

    yield enter
    for context in contexts:
        context.close()
    assert not complaints
