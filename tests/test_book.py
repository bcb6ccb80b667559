"""The built book: what a reader's browser gets. `make test` builds it first; these tests build only tiny books of their own."""

import collections
import functools
import http.server
import importlib
import importlib.metadata
import inspect
import itertools
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup

import sermodules

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
BOOK = ROOT / "book"
SOURCES = [
    ROOT / "_config.yml",
    ROOT / "_toc.yml",
    *BOOK.glob("*.*"),
    *BOOK.glob("_ext/*.py"),
    *BOOK.glob("_static/*.*"),
]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

sys.path.insert(0, str(BOOK / "_ext"))
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


def test_pages_have_the_structure_that_a_screen_reader_needs(pages, chapters):
    def problems(soup):
        if not soup.html.get("lang"):
            yield "no language"
        levels = [int(tag.name[1]) for tag in soup.article.find_all(re.compile("^h[1-6]$"))]
        if levels[:1] != [1] or levels.count(1) != 1:
            yield "not exactly one title, at the beginning"
        if any(below > above + 1 for above, below in itertools.pairwise(levels)):
            yield f"a heading skips a level: {levels}"
        ids = collections.Counter(tag["id"] for tag in soup.find_all(id=True))
        yield from (f"the id {name} is there {count} times" for name, count in ids.items() if count > 1)
        for tag in soup.find_all(["a", "button"]):
            named = tag.get_text(strip=True) or tag.get("aria-label") or tag.get("title") or tag.find("img", alt=True)
            if not named and (tag.name == "button" or tag.get("href")):
                yield f"no name: {tag}"

    assert not [f"{path.name}: {problem}" for path in chapters for problem in problems(pages[path])]


def modules():
    """Give the modules of the package that one imports: all but the command line."""
    found = pkgutil.walk_packages(sermodules.__path__, "sermodules.")
    return [importlib.import_module(module.name) for module in found if not module.name.endswith("__main__")]


def test_api_reference_names_every_module_once():
    named = re.findall(r"^\.\. automodule:: (\S+)$", (BOOK / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(module.__name__ for module in modules())


def test_api_reference_describes_every_function_and_class(pages):
    there = {tag["id"] for tag in pages[HTML / "book" / "api.html"].find_all("dt", id=True)}
    missing = [
        f"{module.__name__}.{name}"
        for module in modules()
        for name, thing in vars(module).items()
        if (inspect.isfunction(thing) or inspect.isclass(thing)) and not name.startswith("_")
        if thing.__module__ == module.__name__ and f"{module.__name__}.{name}" not in there
    ]
    assert not missing


def test_versions_and_timings_are_those_of_the_environment_and_of_the_results(pages):
    text = pages[HTML / "book" / "versions.html"].article.get_text(" ", strip=True)
    required = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(required) > 20
    assert not [name for name in required if f"{name} {importlib.metadata.version(name)}" not in text]
    studies = sermodules_book.published_studies(ROOT)
    assert studies
    assert not [name for name in studies if name not in text]
    chapters = [pages[path].h1.get_text().rstrip("#") for path in pages if (BOOK / f"{path.stem}.ipynb").is_file()]
    assert chapters
    assert not [title for title in chapters if title not in text]


def test_every_entry_of_the_bibliography_is_cited_and_shown(pages):
    entries = set(re.findall(r"^@\w+\{([^,]+),", (BOOK / "references.bib").read_text(encoding="utf-8"), re.MULTILINE))
    texts = [path.read_text(encoding="utf-8") for kind in ("*.md", "*.ipynb") for path in BOOK.glob(kind)]
    roles = re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", "\n".join(texts))
    assert {key.strip() for keys in roles for key in keys.split(",")} == entries
    assert len(pages[HTML / "book" / "bibliography.html"].select("div.citation")) == len(entries)


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


def wait(browser, script):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, 20, poll_frequency=0.05).until(lambda b: b.execute_script(script))


def test_search_finds_self_attention(address, browser):
    visit(browser, f"{address}/search.html?q=self-attention")
    wait(
        browser,
        "return document.querySelector('#search-results li a') && !document.querySelector('#search-progress *')",
    )
    found = browser.execute_script("return [...document.querySelectorAll('#search-results li a')].map(a => a.pathname)")
    assert "/book/attention.html" in found


def test_player_in_the_page_plays_and_moves_its_cursor(address, browser):
    visit(browser, f"{address}/book/attention.html")
    place = "return parseFloat(document.querySelector('.sermodules-player .sp-cursor').style.left)"
    assert browser.execute_script(place) == 0
    browser.find_element("css selector", ".sermodules-player .sp-button").click()
    wait(browser, f"{place} > 5")
    browser.find_element("css selector", ".sermodules-player .sp-button").click()
    assert browser.execute_script("return document.querySelector('.sermodules-player audio').paused")


#: Text of the article whose contrast with what lies behind it is below WCAG 2.1's level AA. Returns one example of each kind.
FAINT = """
  const parse = (text) => {
    const numbers = text.match(/[\\d.]+/g).map(Number);
    const scale = text.startsWith("color(") ? 255 : 1;
    return [...numbers.slice(0, 3).map((x) => scale * x), numbers[3] ?? 1];
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const luminance = (colour) => {
    const [r, g, b] = colour.map((v) => (v <= 10.02 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (; element; element = element.parentElement) {
      const style = getComputedStyle(element);
      if (style.backgroundImage !== "none") return null;
      layers.push(parse(style.backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reduceRight((under, layer) => over(layer, under), [255, 255, 255, 1]);
  };
  const found = {};
  const texts = document.createTreeWalker(document.querySelector("article"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement, text = texts.currentNode.textContent.trim();
    const shown = element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    const background = text && shown && !element.closest("svg, script, style") ? behind(element) : null;
    if (!background) continue;
    const style = getComputedStyle(element), size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const [light, dark] = [over(parse(style.color), background), background].map(luminance).sort((p, q) => q - p);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < (large ? 3 : 4.5)) found[`${style.color} on ${background.slice(0, 3).map(Math.round)}`] = text.slice(0, 40);
  }
  return found;
"""


def test_text_stands_out_in_light_and_in_dark(chapters, address, browser):
    problems = []
    for path in chapters:
        visit(browser, f"{address}/{path.relative_to(HTML).as_posix()}")
        for theme in ("light", "dark"):
            features = [{"name": "prefers-color-scheme", "value": theme}]
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            wait(browser, f"return document.documentElement.dataset.theme === '{theme}'")
            problems += [f"{path.name}, {theme}: {faint}" for faint in browser.execute_script(FAINT).items()]
    assert not problems
    browser.execute_script("document.querySelector('article p').style.color = '#555'")
    assert browser.execute_script(FAINT), "the script does not see faint text"


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


def test_tables_are_computed(tmp_path):
    assert sermodules_book.versions(tmp_path) == sermodules_book.run_times({}) == {}
    (tmp_path / "requirements.txt").write_text("# a comment\nPyYAML==0.1\nnumpy==0.1\n-e .\n", encoding="utf-8")
    table = sermodules_book.versions(tmp_path)["versions"].splitlines()
    assert table[2:] == [f"| {name} | {importlib.metadata.version(name)} |" for name in ("numpy", "PyYAML")]
    commands = sermodules_book.commands()["commands"]
    assert "| `sermodules study run` | Do the runs of a study that are missing. |" in commands.splitlines()
    assert "| `sermodules corpora` |" in commands
    assert "`sermodules study` |" not in commands, "it does nothing by itself"


def test_run_times_are_those_of_the_published_runs():
    studies = sermodules_book.published_studies(ROOT)
    results = studies["emodb-teaching"]
    table = sermodules_book.run_times({"emodb-teaching": results})["run_times"]
    rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("| `emodb-teaching`")]
    assert sum(int(row[1]) for row in rows) == len(results)
    spent = [sum(r.provenance["seconds"].values()) - r.provenance.get("reused_seconds", 0) for r in results]
    stated = [float(number) for number in re.findall(r"([\d.]+) hours of computing", table)]
    assert sum(stated) == pytest.approx(sum(spent) / 3600, abs=0.05 * len(stated))
    assert results[0].provenance["machine"]["processor"] in table


def test_docstrings_become_text_that_may_stand_many_times_on_a_page():
    def text(what, *lines):
        sermodules_book.docstring(None, what, "module.name", None, None, lines := list(lines))
        return "\n".join(lines)

    returns = ("", "Returns", "-------", "Thing", "    It.")
    references = ("", "References", "----------", '.. [1] D. Author, "A title",', "   2022.")
    found = text("function", "Do it after [1]_, as `Thing` does.", *returns, *references)
    assert "after [1], as `Thing` does" in found
    assert ":returns: `Thing` -- It." in found
    assert '1. \\D. Author, "A title",\n   2022.' in found
    assert text("data", "Settings: a value each.") == "Settings: a value each."
