"""A headless Chromium, where the machine has one, that does on pages what people do."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import psutil

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

T = TypeVar("T")

_PATIENCE = 90.0
_POLL = 0.2
_WIDTH, _HEIGHT = 1280, 800
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=en-GB",
)
_TWO_FRAMES = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()));"


def why_not() -> str | None:
    """Tell what a browser lacks on this machine; None where there is one."""
    if importlib.util.find_spec("selenium") is None:
        return "Selenium is not installed"
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"this machine has no {' and no '.join(missing)}" if missing else None


class Browser:
    """A browser with one page in front.

    A place on a page is a CSS selector, or an XPath, which begins with ``//``. Everything waits until it is there.

    Args:
        driver: Selenium's.
    """

    def __init__(self, driver: Chrome) -> None:
        self._driver = driver

    def open(self, url: str) -> None:
        """Open a page."""
        self._driver.get(url)
        self._resize(_HEIGHT)

    def click(self, place: str) -> None:
        """Click on something."""
        self._until(lambda: _done(self._find(place).click))

    def click_through(self, place: str) -> None:
        """Click on a link that opens another window, and go there."""
        before = set(self._driver.window_handles)
        self.click(place)
        (opened,) = self._until(lambda: set(self._driver.window_handles) - before)
        self._driver.switch_to.window(opened)
        self._resize(_HEIGHT)

    def fill(self, place: str, text: str) -> None:
        """Type into a field."""
        self._until(lambda: _done(lambda: self._find(place).send_keys(text)))

    def text(self, place: str = "body") -> str:
        """What can be read there."""
        return self._until(lambda: self._find(place).text)

    def attribute(self, place: str, name: str) -> str | None:
        """An attribute of what is there."""
        return self._until(lambda: [self._find(place).get_attribute(name)])[0]

    def wait_for_text(self, text: str, place: str = "body") -> None:
        """Wait until something can be read there."""
        self._until(lambda: text in self._find(place).text, f"{text!r} is not to be read")

    def wait_until_gone(self, place: str) -> None:
        """Wait until something is not there any more."""
        self._until(lambda: not self._found(place), f"{place} is still there")

    def wait_until_still(self, place: str) -> None:
        """Wait until something has stopped to move."""
        seen: list[Any] = [None]

        def still() -> bool:
            seen.append(self._find(place).rect)
            return bool(seen[-1] == seen[-2])

        self._until(still, f"{place} moves")

    def run(self, script: str) -> Any:
        """Run JavaScript on the page; gives what it returns."""
        return self._driver.execute_script(script)

    @property
    def url(self) -> str:
        """Where the page is."""
        return self._driver.current_url

    @property
    def source(self) -> str:
        """All that the page holds, read or not."""
        return self._driver.page_source

    def take_picture(self, path: Path, place: str | None = None, height: int = _HEIGHT) -> None:
        """Take a picture.

        Args:
            path: Where the PNG is written.
            place: What of the page is on it; None for what fits into the window.
            height: The height of the window meanwhile.
        """
        self._resize(height)
        self._driver.execute_async_script(_TWO_FRAMES)
        taken = self._find(place).screenshot_as_png if place else self._driver.get_screenshot_as_png()
        path.write_bytes(taken)
        self._resize(_HEIGHT)

    def _resize(self, height: int) -> None:
        metrics = {"width": _WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def _found(self, place: str) -> list[WebElement]:
        by = "xpath" if place.startswith("//") else "css selector"
        return [element for element in self._driver.find_elements(by, place) if element.is_displayed()]

    def _find(self, place: str) -> WebElement:
        from selenium.common.exceptions import NoSuchElementException

        found = self._found(place)
        if not found:
            raise NoSuchElementException(place)
        return found[0]

    def _until(self, attempt: Callable[[], T], otherwise: str = "") -> T:
        """Try until it gives something; what is on its way may be missing, covered, or replaced meanwhile."""
        from selenium.common.exceptions import (
            ElementClickInterceptedException,
            ElementNotInteractableException,
            NoSuchElementException,
            StaleElementReferenceException,
            TimeoutException,
        )
        from selenium.webdriver.support.wait import WebDriverWait

        passing = (
            ElementClickInterceptedException,
            ElementNotInteractableException,
            NoSuchElementException,
            StaleElementReferenceException,
        )
        last: list[Exception] = []

        def tried(_: Any) -> T | None:
            try:
                return attempt()
            except passing as error:
                last[:] = [error]
                return None

        try:
            given = cast("T", WebDriverWait(self._driver, _PATIENCE, _POLL).until(tried))
        except TimeoutException:
            told = otherwise or (str(last[0]) if last else "")
            raise AssertionError(f"{told} on {self.url}, which says:\n{self._find('body').text}") from None
        return given


@contextlib.contextmanager
def running_browser() -> Iterator[Browser]:
    """Run a browser with a new profile.

    Yields:
        The browser, with an empty page.
    """
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = Chrome(options=options, service=ChromeService(shutil.which("chromedriver")))
        started = psutil.Process(driver.service.process.pid).children(recursive=True)
        try:
            yield Browser(driver)
        finally:
            driver.quit()
            _, alive = psutil.wait_procs(started, timeout=10)
            for process in alive:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()


def _done(act: Callable[[], object]) -> bool:
    act()
    return True
