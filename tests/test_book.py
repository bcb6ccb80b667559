"""The built book: what a reader's browser gets. `make test` builds it first; these tests build only tiny books of their own."""

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
SOURCES = [ROOT / "_config.yml", ROOT / "_toc.yml", *(ROOT / "book").glob("*.*")]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import sermodules_book  # noqa: E402


@pytest.fixture(scope="module")
def pages():
    """Return the built pages as {path: soup}."""
    landing = HTML / "book" / "index.html"
    if not landing.is_file():
        pytest.skip("the book is not built: run `make book` (or `make test`, which does it)")
    changed = [path for path in SOURCES if path.stat().st_mtime > landing.stat().st_mtime]
    if changed:
        pytest.skip(f"the built book is older than {changed[0].relative_to(ROOT)}: run `make book`")
    files = [path for path in sorted(HTML.rglob("*.html")) if "_static" not in path.parts]
    return {path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in files}


@pytest.fixture(scope="module")
def chapters(pages):
    """Return the pages that have a text of ours, not the search page and the like."""
    return [path for path in pages if path.parent.name == "book"]


@pytest.fixture(scope="module")
def address(pages):
    """Serve the built book on 127.0.0.1 and return its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=HTML))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Return a headless Chromium that logs its console and its network."""
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if not (binary and driver):
        pytest.skip("no Chromium or Chrome with its chromedriver on this machine (Debian: chromium, chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in ("headless", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "disable-quic", "no-first-run"):
        options.add_argument(f"--{flag}")
    for flag in ("disable-background-networking", "disable-component-update", "disable-sync", "disable-extensions"):
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options, webdriver.ChromeService(driver))
    chrome.set_page_load_timeout(60)
    yield chrome
    chrome.quit()


def visit(browser, url, width=1280):
    """Load a page in a window of `width` pixels, wait for its equations, and return its address and the requests it made."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    browser.get_log("performance")
    browser.get(url)
    browser.set_script_timeout(30)
    browser.execute_async_script(
        "const done = arguments[0];"
        "(window.MathJax ? MathJax.startup.promise : Promise.resolve()).then(() => document.fonts.ready).then(() => done());"
    )
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


def test_every_source_of_the_table_of_contents_became_a_page(chapters):
    import yaml

    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    named = {toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])}
    assert {path.relative_to(HTML).with_suffix("").as_posix() for path in chapters} == named


def test_internal_links_and_anchors_resolve(pages):
    anchors = {path: {tag["id"] for tag in soup.find_all(id=True)} for path, soup in pages.items()}
    broken = []
    for path, soup in pages.items():
        for tag, name in [(t, n) for n in ("href", "src") for t in soup.find_all(attrs={n: True})]:
            link = urllib.parse.urlsplit(tag[name])
            if link.scheme or link.netloc:
                continue
            target = (path.parent / urllib.parse.unquote(link.path)).resolve() if link.path else path
            fragment = urllib.parse.unquote(link.fragment)
            if not target.is_file() or (fragment and target in anchors and fragment not in anchors[target]):
                broken.append(f"{path.relative_to(HTML)}: {tag[name]}")
    assert not broken


def test_images_have_a_text_for_who_cannot_see_them(pages):
    def unnamed(image):
        text = image.get("alt", "").strip()
        return not text or text.startswith(("..", "_images")) or "/" in text

    assert not [
        f"{path.name}: {image}" for path, soup in pages.items() for image in soup.find_all("img") if unnamed(image)
    ]


def test_no_page_points_to_a_place_that_is_not_ours(pages):
    # Jupyter Book and sphinx-thebe fill in repositories of their own where none is configured.
    strangers = ("executablebooks", "binder-examples", "unpkg.com", "jsdelivr")
    found = [f"{path.name}: {word}" for path, soup in pages.items() for word in strangers if word in str(soup)]
    assert not found


def test_browser_reports_nothing_and_asks_no_other_host(chapters, address, browser):
    problems = []
    browser.get_log("browser")
    for path in chapters:
        for url in visit(browser, f"{address}/{path.relative_to(HTML).as_posix()}"):
            if not url.startswith((address, "data:", "blob:")):
                problems.append(f"{path.name} asks for {url}")
        log = [entry for entry in browser.get_log("browser") if entry["level"] not in ("INFO", "DEBUG")]
        problems += [f"{path.name}: {entry['message']}" for entry in log]
    assert not problems


def test_root_leads_to_the_landing_page(address, browser):
    visit(browser, f"{address}/")
    landing = f"{address}/book/index.html"
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 10).until(lambda b: b.current_url == landing)


def test_equations_are_typeset(pages, chapters, address, browser):
    problems, equations = [], 0
    for path in chapters:
        written = len(pages[path].select("article .math.notranslate"))
        visit(browser, f"{address}/{path.relative_to(HTML).as_posix()}")
        typeset = browser.execute_script("return document.querySelectorAll('article .math mjx-container').length")
        failed = browser.execute_script(
            "return [...document.querySelectorAll('mjx-merror, [data-mjx-error]')].map(e => e.outerHTML)"
        )
        equations += typeset
        if typeset < written or failed:
            problems.append(f"{path.name}: {written} written, {typeset} typeset, failed: {failed}")
    assert not problems
    assert equations, "the book has no equation at all, so this test says nothing"


def test_nothing_sticks_out_sideways_on_a_phone(chapters, address, browser):
    problems = []
    for path in chapters:
        visit(browser, f"{address}/{path.relative_to(HTML).as_posix()}", width=390)
        # Scrolling is the proof: a scroll width alone may come from a hidden drawer.
        moved = browser.execute_script(
            "document.documentElement.style.scrollBehavior = 'auto'; window.scrollTo(500, 0); return window.scrollX"
        )
        if moved:
            wide = browser.execute_script(
                "return [...document.querySelectorAll('article *')].filter("
                "e => e.getBoundingClientRect().right + window.scrollX > 391).map(e => e.outerHTML.slice(0, 80))"
            )
            problems.append(f"{path.name} scrolls by {moved} pixels: {wide[:3]}")
    assert not problems


@pytest.fixture
def tiny(tmp_path):
    """Return a project of one chapter with the set-up of this one; the chapter notes in a file how often it ran."""
    shutil.copytree(ROOT / "book" / "_ext", tmp_path / "book" / "_ext", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "book" / "_static", tmp_path / "book" / "_static")
    for name in ("_config.yml", "book/references.bib"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/index\n", encoding="utf-8")
    (tmp_path / "sermodules").mkdir()
    (tmp_path / "sermodules" / "module.py").write_text("ANSWER = 1\n", encoding="utf-8")

    def write(*cells):
        notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
        notebook.cells = [nbformat.v4.new_markdown_cell("# Title"), *map(nbformat.v4.new_code_cell, cells)]
        for number, cell in enumerate(notebook.cells):
            cell["id"] = f"cell-{number}"
        nbformat.write(notebook, str(tmp_path / "book" / "index.ipynb"))
        return tmp_path

    return write


def build(folder, *options):
    command = [
        str(Path(sys.executable).with_name("jupyter-book")),
        "build",
        str(folder),
        "-W",
        "--keep-going",
        *options,
    ]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"}, timeout=120)


def test_chapters_run_again_when_the_package_changes_and_only_then(tiny):
    folder = tiny("with open('runs.txt', 'a') as file:\n    file.write('x')")
    runs = folder / "book" / "runs.txt"
    for change, expected in ((None, "x"), ("--all", "x"), ("module", "xx")):
        if change == "module":
            (folder / "sermodules" / "module.py").write_text("ANSWER = 2\n", encoding="utf-8")
        result = build(folder, *(["--all"] if change == "--all" else []))
        assert result.returncode == 0, result.stdout + result.stderr
        assert runs.read_text() == expected, change


def test_stray_warning_of_a_cell_fails_the_build(tiny):
    result = build(tiny("import sys\nprint('a stray warning', file=sys.stderr)"))
    assert result.returncode != 0
    assert "stderr" in result.stdout + result.stderr


def test_inputs_digest_sees_content_names_and_removals(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    write("sermodules/corpora/a.py", "1")
    seen = [sermodules_book.inputs_digest(tmp_path)]
    for change in (
        lambda: write("sermodules/corpora/a.py", "2"),
        lambda: write("studies/quick.yaml", "corpus: synthetic"),
        lambda: write("results/emodb/run/metrics.json", "{}"),
        lambda: (tmp_path / "results/emodb/run").rename(tmp_path / "results/emodb/other"),
        lambda: write("requirements.lock", "a==1"),
        lambda: (tmp_path / "requirements.lock").unlink(),
    ):
        change()
        seen.append(sermodules_book.inputs_digest(tmp_path))
    assert seen[-1] == seen[-3]
    assert len(set(seen)) == len(seen) - 1
    write("sermodules/__pycache__/a.pyc", "1")
    write("data/a.wav", "1")
    assert sermodules_book.inputs_digest(tmp_path) == seen[-1]
