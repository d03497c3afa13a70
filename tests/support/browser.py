"""Drive a headless Chromium, if the machine has one."""

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

_TIMEOUT = 90.0
_POLL_INTERVAL = 0.2
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


def browser_skip_reason() -> str | None:
    """Return why no browser can run on this machine, or None if one can."""
    if importlib.util.find_spec("selenium") is None:
        return "Selenium is not installed"
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"this machine has no {' and no '.join(missing)}" if missing else None


class Browser:
    """A browser window.

    A selector is a CSS selector, or an XPath that begins with ``//``. Every method waits for the element that it needs.

    Args:
        driver: The WebDriver of Selenium.
    """

    def __init__(self, driver: Chrome) -> None:
        self._driver = driver

    def open(self, url: str) -> None:
        """Open a page."""
        self._driver.get(url)
        self._resize(_HEIGHT)

    def click(self, selector: str) -> None:
        """Click on an element."""
        self._until(lambda: _call(self._find(selector).click))

    def click_through(self, selector: str) -> None:
        """Click on a link that opens another window, and switch to that window."""
        before = set(self._driver.window_handles)
        self.click(selector)
        (opened,) = self._until(lambda: set(self._driver.window_handles) - before)
        self._driver.switch_to.window(opened)
        self._resize(_HEIGHT)

    def fill(self, selector: str, text: str) -> None:
        """Type into a field."""
        self._until(lambda: _call(lambda: self._find(selector).send_keys(text)))

    def text(self, selector: str = "body") -> str:
        """Return the visible text of an element."""
        return self._until(lambda: self._find(selector).text)

    def attribute(self, selector: str, name: str) -> str | None:
        """Return an attribute of an element."""
        return self._until(lambda: [self._find(selector).get_attribute(name)])[0]

    def wait_for_text(self, text: str, selector: str = "body") -> None:
        """Wait until an element shows a text."""
        self._until(lambda: text in self._find(selector).text, f"{text!r} is not shown")

    def wait_until_gone(self, selector: str) -> None:
        """Wait until an element has disappeared."""
        self._until(lambda: not self._find_all(selector), f"{selector} has not disappeared")

    def wait_until_still(self, selector: str) -> None:
        """Wait until an element has stopped moving."""
        positions: list[Any] = [None]

        def is_still() -> bool:
            positions.append(self._find(selector).rect)
            return bool(positions[-1] == positions[-2])

        self._until(is_still, f"{selector} is moving")

    def run(self, script: str) -> Any:
        """Run JavaScript on the page and return its result."""
        return self._driver.execute_script(script)

    @property
    def url(self) -> str:
        """The URL of the page."""
        return self._driver.current_url

    @property
    def source(self) -> str:
        """The HTML source of the page."""
        return self._driver.page_source

    def take_picture(self, path: Path, selector: str | None = None, height: int = _HEIGHT) -> None:
        """Take a screenshot.

        Args:
            path: Where to write the PNG.
            selector: The element to show; None for the whole window.
            height: The height of the window in the screenshot.
        """
        self._resize(height)
        self._driver.execute_async_script(_TWO_FRAMES)
        png = self._find(selector).screenshot_as_png if selector else self._driver.get_screenshot_as_png()
        path.write_bytes(png)
        self._resize(_HEIGHT)

    def _resize(self, height: int) -> None:
        metrics = {"width": _WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def _find_all(self, selector: str) -> list[WebElement]:
        by = "xpath" if selector.startswith("//") else "css selector"
        return [element for element in self._driver.find_elements(by, selector) if element.is_displayed()]

    def _find(self, selector: str) -> WebElement:
        from selenium.common.exceptions import NoSuchElementException

        found = self._find_all(selector)
        if not found:
            raise NoSuchElementException(selector)
        return found[0]

    def _until(self, attempt: Callable[[], T], problem: str = "") -> T:
        """Try until the result is true; while a page changes, elements may be missing, covered, or replaced."""
        from selenium.common.exceptions import (
            ElementClickInterceptedException,
            ElementNotInteractableException,
            NoSuchElementException,
            StaleElementReferenceException,
            TimeoutException,
        )
        from selenium.webdriver.support.wait import WebDriverWait

        transient = (
            ElementClickInterceptedException,
            ElementNotInteractableException,
            NoSuchElementException,
            StaleElementReferenceException,
        )
        last: list[Exception] = []

        def try_once(_: Any) -> T | None:
            try:
                return attempt()
            except transient as error:
                last[:] = [error]
                return None

        try:
            return cast("T", WebDriverWait(self._driver, _TIMEOUT, _POLL_INTERVAL).until(try_once))
        except TimeoutException:
            problem = problem or (str(last[0]) if last else "")
            raise AssertionError(f"{problem} on {self.url}, which shows:\n{self._find('body').text}") from None


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


def _call(action: Callable[[], object]) -> bool:
    """Call an action and return True: it is done once it raises nothing."""
    action()
    return True
