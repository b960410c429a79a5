"""Opens the pages in a headless Chromium, as tests/whole/page.rs serves them: axe-core, the console, requests, width, the script.

usage: audit.py URL [FOLDER FOR PICTURES]
"""

import sys
import time

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

URL = sys.argv[1]
PICTURES = sys.argv[2] if len(sys.argv) > 2 else None
PATHS = ["/", "/meter/workshop", "/client/heat_pump"]
problems = []


def check(good, what):
    if not good:
        problems.append(what)
        print("PROBLEM", what)


def audit(browser, path, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    messages, elsewhere = [], []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: request.url.startswith(URL) or elsewhere.append(request.url))
    begin = time.monotonic()
    answer = page.goto(URL + path)
    took = 1000 * (time.monotonic() - begin)
    name = f"{path} at {width} px, {scheme}"
    if PICTURES:
        file = path.strip("/").replace("/", "-") or "overview"
        page.screenshot(path=f"{PICTURES}/{file}-{width}-{scheme}.png", full_page=True)
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true })")
    violations = Axe().run(page, options={"rules": {"target-size": {"enabled": True}}}).response["violations"]
    for violation in violations:
        check(False, f"{name}: {violation['id']}: {violation['nodes'][0]['html'][:200]}: {violation['nodes'][0]['failureSummary'][:300]}")
    sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    check(sideways <= 0, f"{name}: {sideways} px wider than the screen")
    check(not messages, f"{name}: on the console: {messages}")
    check(not elsewhere, f"{name}: requests to {elsewhere}")
    print(f"{name}: {len(answer.body()) / 1e3:.1f} KB, {took:.0f} ms to load, {len(violations)} violations")
    context.close()


def refreshed(browser):
    """What the reader opened, chose and focused stays when the main part is replaced."""
    page = browser.new_page()
    page.goto(URL + "/meter/workshop")
    page.evaluate("document.querySelector('details').open = true")
    page.evaluate("document.getElementById('p24-20').checked = true")
    page.evaluate("document.getElementById('p24-20').focus()")
    page.evaluate("document.getElementById('main').firstElementChild.dataset.old = 'yes'")
    page.evaluate("refresh()")
    check(not page.evaluate("document.querySelector('[data-old]')"), "the script replaced nothing")
    check(page.evaluate("document.querySelector('details').open"), "an open table was closed")
    check(page.evaluate("document.getElementById('p24-20').checked"), "a cursor moved")
    check(page.evaluate("document.activeElement.id") == "p24-20", "the focus was lost")
    page.keyboard.press("ArrowRight")
    check(page.evaluate("document.getElementById('p24-21').checked"), "the arrow keys do not move the cursor")
    page.close()


def without_script(browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(URL + "/")
    check(page.locator("h1").inner_text() != "", "no verdict without a script")
    page.locator("summary").first.click()
    check(page.locator("details[open] table").count() == 1, "a table does not open without a script")
    context.close()


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
    for path in PATHS:
        for width in (1280, 390):
            for scheme in ("light", "dark"):
                audit(browser, path, width, scheme)
    audit(browser, "/", 320, "light")
    refreshed(browser)
    without_script(browser)
    browser.close()
sys.exit(1 if problems else 0)
