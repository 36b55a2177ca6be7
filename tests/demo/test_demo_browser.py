"""The page in Chromium, with two tabs, on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect
from tests.demo.engines import Demo

ROOM = "platform 9"
WIDE, NARROW = {"width": 1100, "height": 700}, {"width": 360, "height": 640}


class Tab:
    """One tab on the chat; it finds things as people do, by role and label."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", self._note_request)
        self.page.goto(url)
        self.expect_state("Connected")

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith("data:"):
            self.requests.append(request.url)

    def join(self, name: str, room: str = ROOM) -> None:
        self.page.get_by_label("Your name").fill(name)
        self.page.get_by_label("Room").fill(room)
        self.page.get_by_role("button", name="Join").click()
        expect(self.page.get_by_role("heading", name=room)).to_be_visible()

    def say(self, text: str) -> None:
        self.page.get_by_label("Message", exact=True).fill(text)
        self.page.keyboard.press("Enter")

    def expect_state(self, text: str) -> None:
        expect(self.page.get_by_role("status")).to_have_text(text, timeout=15_000)

    def expect_message(self, name: str, text: str) -> None:
        """Wait until this is the last message, word for word."""
        last = self.page.get_by_role("log").locator(".message").last
        expect(last.locator(".text")).to_have_text(text)
        expect(last.locator(".name")).to_have_text(name)

    def expect_note(self, text: str) -> None:
        note = self.page.get_by_role("log").locator(".note", has_text=text)
        expect(note.last).to_be_visible()

    def expect_people(self, *names: str) -> None:
        people = self.page.get_by_role("region").get_by_role("listitem")
        expect(people).to_have_text(list(names))


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]  # a TypedDict of ints
    opened.set_default_timeout(15_000)
    yield opened
    opened.close()


def test_two_tabs_talk(demo: Demo, context: BrowserContext) -> None:
    ada, grace = Tab(context, demo.url), Tab(context, demo.url)
    ada.join("Ada")
    ada.expect_people("Ada")
    grace.join("Grace")
    for tab in (ada, grace):
        tab.expect_people("Ada", "Grace")
    ada.expect_note("Grace came in")

    ada.say("Hello Grace! 👋")
    grace.expect_message("Ada", "Hello Grace! 👋")
    grace.say("<b onclick='alert(1)'>Hello</b> &amp; welcome")
    for tab in (ada, grace):
        tab.expect_message("Grace", "<b onclick='alert(1)'>Hello</b> &amp; welcome")
        assert tab.page.get_by_role("log").locator("b").count() == 0

    grace.page.get_by_role("button", name="Leave").click()
    expect(grace.page.get_by_role("button", name="Join")).to_be_visible()
    ada.expect_note("Grace left")
    ada.expect_people("Ada")

    grace.join("Grace")
    ada.expect_people("Ada", "Grace")
    grace.page.close()
    ada.expect_people("Ada")

    assert ada.problems == grace.problems == []
    assert set(ada.requests) == {demo.url}  # the page, and no icon, font or script besides
    demo.stop()


def test_the_page_comes_back_when_the_server_does(
    demo_engine: tuple[str, ...], context: BrowserContext
) -> None:
    with Demo(demo_engine) as first:
        tab = Tab(context, first.url)
        tab.join("Ada")
        tab.say("before")
        tab.expect_message("Ada", "before")
        first.stop()
        tab.expect_state("Connection lost")
        expect(tab.page.get_by_role("button", name="Send")).to_be_disabled()
    with Demo(demo_engine, first.port) as second:
        tab.expect_state("Connected")
        tab.expect_note("You are back.")
        tab.expect_people("Ada")
        tab.say("after")
        tab.expect_message("Ada", "after")
        tab.page.close()
        second.stop()


@pytest.fixture
def standard() -> Iterator[Demo]:
    """The demo on the standard engine: for what has nothing to do with engines."""
    with Demo(("wsproto",)) as running:
        yield running


def test_the_page_gives_up_after_five_attempts_and_can_be_told_to_try_again(
    standard: Demo, context: BrowserContext
) -> None:
    context.clock.install()
    tab = Tab(context, standard.url)
    attempts: list[str] = []
    tab.page.on("websocket", lambda socket: attempts.append(socket.url))
    standard.process.kill()
    for attempt in range(1, 6):
        tab.expect_state("Connection lost")
        expect(tab.page.locator("#seconds")).to_have_text(f"· {attempt} s")
        tab.page.clock.run_for(1000 * attempt)
        expect(tab.page.get_by_role("status")).not_to_have_text("Reconnecting…")
    tab.expect_state("Not connected")
    assert len(attempts) == 5
    with Demo(("wsproto",), standard.port):
        tab.page.get_by_role("button", name="Connect now").click()
        tab.expect_state("Connected")
        tab.join("Ada")


def test_a_room_can_be_linked_and_a_name_is_remembered_in_its_tab(
    standard: Demo, context: BrowserContext
) -> None:
    tab = Tab(context, f"{standard.url}#caf%C3%A9")
    expect(tab.page.get_by_label("Room")).to_have_value("café")
    tab.join("Ada", "bar & grill")
    assert tab.page.url == f"{standard.url}#bar%20%26%20grill"
    tab.page.reload()
    expect(tab.page.get_by_label("Your name")).to_have_value("Ada")
    expect(tab.page.get_by_label("Room")).to_have_value("bar & grill")
    assert tab.problems == []


def test_a_refusal_is_shown(standard: Demo, context: BrowserContext) -> None:
    tab = Tab(context, standard.url)
    tab.page.get_by_label("Your name").fill(" ")
    tab.page.get_by_role("button", name="Join").click()
    expect(tab.page.get_by_role("alert")).to_have_text("A name has 1 to 24 characters.")


def test_reading_earlier_messages_is_not_disturbed(standard: Demo, context: BrowserContext) -> None:
    ada, grace = Tab(context, standard.url), Tab(context, standard.url)
    ada.join("Ada")
    grace.join("Grace")
    for number in range(40):
        grace.say(f"message {number}")
    ada.expect_message("Grace", "message 39")
    log = ada.page.get_by_role("log")
    log.evaluate(
        """log => new Promise((done) => {
          log.addEventListener("scroll", done, { once: true });
          log.scrollTop = 0;
        })"""
    )
    grace.say("one more")
    newer = ada.page.get_by_role("button", name="New messages")
    expect(newer).to_be_visible()
    assert log.evaluate("log => log.scrollTop") == 0
    newer.click()
    expect(newer).to_be_hidden()
    expect(log.get_by_text("one more")).to_be_in_viewport()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_nothing_overflows_and_text_has_contrast(
    standard: Demo, browser: Browser, theme: str, size: dict[str, int], tmp_path: Path
) -> None:
    settings: dict[str, object] = {"color_scheme": theme, "viewport": size}
    settings["reduced_motion"] = "reduce"  # nothing is half faded in on the picture
    context = browser.new_context(**settings)  # type: ignore[arg-type]  # both are literals
    tab = Tab(context, standard.url)
    check_looks(tab.page, tmp_path / "entrance.png")
    tab.join("A" * 24, "r" * 32)
    tab.say("averyverylongword" * 20)
    tab.say("Short.")
    tab.expect_message("A" * 24, "Short.")
    check_looks(tab.page, tmp_path / "room.png")
    context.close()


CONTRAST = """
() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const over = (colours) => {
    pen.clearRect(0, 0, 1, 1);
    for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3).map((byte) => {
      const part = byte / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
  };
  const light = ([red, green, blue]) => 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  const weak = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.matches("script, :disabled")) continue;
    const grounds = [];
    for (let at = element; at; at = at.parentElement) {
      grounds.unshift(getComputedStyle(at).backgroundColor);
    }
    const ground = light(over(["white", ...grounds]));
    const ink = light(over(["white", ...grounds, getComputedStyle(element).color]));
    const ratio = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
    if (ratio < 4.5) weak.push(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 80)}`);
  }
  return weak;
}
"""


def check_looks(page: Page, screenshot: Path) -> None:
    """Look for sideways scrolling and for text below WCAG's contrast of 4.5; keep a picture."""
    page.screenshot(path=screenshot)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(CONTRAST) == []
