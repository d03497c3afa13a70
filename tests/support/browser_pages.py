"""The pages of Airflow's UI that show the provider."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.support.browser import Browser

_FIELDS = """
const fields = [...document.querySelectorAll("[role=dialog] [data-scope=field][data-part=root]")];
return fields.filter(field => field.checkVisibility()).map(field => {
    const input = field.querySelector("input, textarea");
    return {
        label: field.querySelector("label").firstChild.textContent.trim(),
        name: input.name,
        type: input.type,
        placeholder: input.placeholder,
        hint: field.querySelector("[data-part=helper-text]")?.textContent ?? ""
    };
});
"""


@dataclass(frozen=True)
class Field:
    """A field of a form, as the page shows it."""

    label: str
    name: str
    type: str
    placeholder: str
    hint: str


class ConnectionForm:
    """The form of a new connection.

    Args:
        browser: The browser that opens it.
        url: The URL of Airflow.
    """

    selector = "[role=dialog]"

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        browser.open(f"{url}/connections")
        browser.click("//button[normalize-space()='Add Connection']")

    def choose_type(self, name: str) -> None:
        """Choose the type of the connection."""
        self._browser.fill(f"{self.selector} input[role=combobox]", name)
        self._browser.click(f"//*[@role='option'][normalize-space()='{name}']")
        self._browser.wait_for_text("Standard Fields", self.selector)
        self._browser.wait_until_still(self.selector)

    def open_section(self, name: str) -> None:
        """Open a section, which closes the other ones."""
        self._browser.click(f"//*[@role='dialog']//button[normalize-space()='{name}']")
        self._browser.wait_until_still(self.selector)

    def fields(self) -> dict[str, Field]:
        """Return the visible fields by name; the name of the field for the connection type is empty."""
        return {field["name"]: Field(**field) for field in self._browser.run(_FIELDS)}

    def fill(self, name: str, text: str) -> None:
        """Type into a field."""
        self._browser.fill(f"{self.selector} [name={name}]", text)

    def save(self) -> None:
        """Save the connection."""
        self._browser.click("//*[@role='dialog']//button[normalize-space()='Save']")
        self._browser.wait_until_gone(self.selector)


def press_test_button(browser: Browser, url: str, connection: str) -> str:
    """Press the Test button of a saved connection, and return the text of the notification."""
    toast = "[data-scope=toast][data-part=root]"
    browser.open(f"{url}/connections")
    browser.click(f"//tr[td[normalize-space()='{connection}']]//button[@aria-label='Test Connection']")
    browser.wait_for_text("Test Connection", toast)
    browser.wait_until_still(toast)
    return browser.text(toast)


def open_asset(browser: Browser, url: str, asset: str) -> None:
    """Open an asset from the list of all assets, and wait for its events."""
    browser.open(f"{url}/assets")
    browser.click(f"//a[normalize-space()='{asset}']")
    browser.wait_for_text("Asset Event")


def unfold_extra(browser: Browser) -> Any:
    """Unfold the extra of an asset's newest event, and return it (Airflow 3.2 or newer)."""
    browser.click(".monaco-editor .codicon-folding-collapsed")
    lines = ".monaco-editor .view-lines"
    browser.wait_for_text('"\n}', lines)
    # The editor breaks long lines anywhere.
    return json.loads(re.sub(r"\n\s*", "", browser.text(lines)))
