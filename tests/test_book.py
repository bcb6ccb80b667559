"""The built book: what a reader's browser gets. `make test` builds it first; these tests build only tiny books of their own."""

import base64
import collections
import dataclasses
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
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pandas as pd
import pybtex.database
import pytest
import yaml
from bs4 import BeautifulSoup
from conftest import chromium

import sermodules
from sermodules.evidence import scores

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
EPUB = ROOT / "_build" / "epub" / "sermodules.epub"
BOOK = ROOT / "book"
SOURCES = [
    ROOT / "_config.yml",
    ROOT / "_toc.yml",
    *BOOK.glob("*.*"),
    *BOOK.glob("_ext/*.py"),
    *BOOK.glob("_static/*.*"),
]

sys.path.insert(0, str(BOOK / "_ext"))
import sermodules_book  # noqa: E402

from benchmarks import measure  # noqa: E402


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
def studies():
    """Return the published studies; to read and verify all of them takes many seconds."""
    return sermodules_book.published_studies(ROOT)


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
    """Return a headless Chromium for the pages of the book."""
    yield from chromium(tmp_path_factory.mktemp("chromium"))


def visit(browser, url, width=1280):
    """Load a page in a window of `width` pixels, wait for its equations, and return its address and the requests it made."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    browser.get_log("performance")
    browser.get(url)
    browser.set_script_timeout(120)  # axe-core takes half a minute for a long page beside another browser
    browser.execute_async_script(
        "const done = arguments[0];"
        "(window.MathJax ? MathJax.startup.promise : Promise.resolve()).then(() => document.fonts.ready).then(() => done());"
    )
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


def contents():
    """Return what the table of contents names, in its order."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


def test_every_source_of_the_table_of_contents_became_a_page(chapters):
    assert {path.relative_to(HTML).with_suffix("").as_posix() for path in chapters} == set(contents())


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


def test_versions_and_timings_are_those_of_the_environment_and_of_the_results(pages, studies):
    text = pages[HTML / "book" / "versions.html"].article.get_text(" ", strip=True)
    required = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(required) > 20
    assert not [name for name in required if f"{name} {importlib.metadata.version(name)}" not in text]
    assert studies
    assert not [name for name in studies if name not in text]
    chapters = [pages[path].h1.get_text().rstrip("#") for path in pages if (BOOK / f"{path.stem}.ipynb").is_file()]
    assert chapters
    assert not [title for title in chapters if title not in text]


def bibliography():
    """Return the entries of the bibliography by key."""
    return pybtex.database.parse_file(str(BOOK / "references.bib")).entries


def citation(entry):
    """Return how a chapter names a source: authors, year, link."""
    names = [" ".join(person.rich_last_names[-1:][0].render_as("text").split()) for person in entry.persons["author"]]
    who = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
    doi = entry.fields.get("doi")
    return (
        who,
        entry.fields["year"],
        f"https://doi.org/{urllib.parse.quote(doi, safe='/:')}" if doi else "bibliography.md",
    )


def linked():
    """Give the sources that chapters name, as `citation` returns them. JupyterLab has no roles, so they are links."""
    for path in BOOK.glob("*.ipynb"):
        text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
        for words, target in re.findall(r"\[([^][]+)\]\((https://doi\.org/[^)\s]+|bibliography\.md)\)", text):
            if match := re.fullmatch(r"(.+?),? \(?(\d{4})\)?", " ".join(words.split())):
                yield *match.groups(), target


def test_every_entry_of_the_bibliography_is_cited_and_shown(pages):
    entries = set(re.findall(r"^@\w+\{([^,]+),", (BOOK / "references.bib").read_text(encoding="utf-8"), re.MULTILINE))
    texts = [path.read_text(encoding="utf-8") for path in BOOK.glob("*.md")]
    roles = re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", "\n".join(texts))
    cited = {key.strip() for keys in roles for key in keys.split(",")}
    sources = dict((citation(entry), key) for key, entry in bibliography().items())
    wrong = [found for found in linked() if found not in sources]
    assert not wrong, "no entry of references.bib has these authors, this year and this DOI"
    assert cited | {sources[found] for found in linked()} == entries
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


def test_player_has_no_light_frame_in_the_dark(address, browser):
    visit(browser, f"{address}/book/attention.html")
    frame = (
        "document.documentElement.dataset.theme = 'dark';"
        "const style = getComputedStyle(document.querySelector('.text_html:has(.sermodules-player)'));"
        "return [style.paddingLeft, style.backgroundColor]"
    )
    assert browser.execute_script(frame) == ["0px", "rgba(0, 0, 0, 0)"]


#: What axe-core looks at: the article. Header, sidebars, search and footer are the theme's, and the same on every page.
OURS = "{include: [['article']]}"
#: Contrast, the slowest of its rules, is measured by a test of its own, in both themes.
RULES = "{resultTypes: ['violations'], rules: {'color-contrast': {enabled: false}}}"


def serious(axe):
    """Return what axe-core finds wrong in the article and calls serious or critical."""
    found = axe.run(OURS, RULES)["violations"]
    return [
        f"{rule['id']}: {node['target']} {node['html'][:120]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def test_axe_finds_nothing_serious_in_what_is_ours(chapters, address, browser):
    from selenium_axe_python import Axe

    problems, axe = [], Axe(browser)
    for path in chapters:
        visit(browser, f"{address}/{path.relative_to(HTML).as_posix()}")
        axe.inject()
        problems += [f"{path.name}, {problem}" for problem in serious(axe)]
    assert not problems
    browser.execute_script("document.querySelector('article').insertAdjacentHTML('beforeend', '<img src=\"x.png\">')")
    assert [problem for problem in serious(axe) if problem.startswith("image-alt")], "axe-core sees nothing at all"


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


@pytest.fixture(scope="module")
def epub(pages):
    """Return the EPUB as {name in the archive: bytes}, in the archive's order."""
    if not EPUB.is_file() or EPUB.stat().st_mtime < (HTML / "book" / "index.html").stat().st_mtime:
        pytest.skip("there is no EPUB of this book: run `make epub` (or `make test`, which does it)")
    with zipfile.ZipFile(EPUB) as archive:
        first = archive.infolist()[0]
        assert first.compress_type == zipfile.ZIP_STORED and not first.extra, "a reader cannot see that this is an EPUB"
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}


XHTML = "{http://www.w3.org/1999/xhtml}"
OPF = "{http://www.idpf.org/2007/opf}"


def parsed(epub, name):
    """Return one page of the EPUB; it must be XML, or a reader shows nothing but an error."""
    return ElementTree.fromstring(epub[name])


def test_epub_holds_every_chapter_in_order(epub):
    assert next(iter(epub)) == "mimetype"
    assert epub["mimetype"] == b"application/epub+zip"
    assert b'full-path="content.opf"' in epub["META-INF/container.xml"]
    package = parsed(epub, "content.opf")
    manifest = {item.get("id"): item.get("href") for item in package.iter(f"{OPF}item")}
    assert set(map(urllib.parse.unquote, manifest.values())) <= set(epub)
    order = [manifest[item.get("idref")] for item in package.iter(f"{OPF}itemref") if item.get("linear") != "no"]
    assert [name for name in order if name.startswith("book/")] == [f"{name}.xhtml" for name in contents()]


def test_epub_links_and_pictures_are_in_it(epub, pages):
    trees = {name: parsed(epub, name) for name in epub if name.endswith(".xhtml")}
    ids = {name: {tag.get("id") for tag in tree.iter() if tag.get("id")} for name, tree in trees.items()}
    broken = []
    for name, tree in trees.items():
        for value in [tag.get(key) for tag in tree.iter() for key in ("href", "src") if tag.get(key)]:
            link = urllib.parse.urlsplit(value)
            if not link.scheme:
                path = os.path.normpath(Path(name).parent / urllib.parse.unquote(link.path)) if link.path else name
                if path not in epub or (link.fragment and urllib.parse.unquote(link.fragment) not in ids[path]):
                    broken.append(f"{name}: {value}")
    assert not broken
    for name in contents():
        pictures = {Path(image["src"]).name for image in pages[HTML / f"{name}.html"].select("article img")}
        found = {Path(image.get("src")).name for image in trees[f"{name}.xhtml"].iter(f"{XHTML}img")}
        assert found == pictures, name


def test_epub_needs_no_script_and_says_where_a_page_sounds(epub, pages):
    for name in contents():
        tree, page = parsed(epub, f"{name}.xhtml"), pages[HTML / f"{name}.html"]
        assert not [tag for kind in ("script", "audio", "style") for tag in tree.iter(XHTML + kind)], name
        text = "".join(tree.itertext())
        assert text.count("The web page plays a recording here.") == len(page.select("article audio")), name
        formulas = len(list(tree.iter("{http://www.w3.org/1998/Math/MathML}math")))
        assert formulas == len(page.select("article .math.notranslate")), name


def test_no_picture_or_code_of_the_epub_is_wider_than_a_small_reader(epub, browser, tmp_path):
    for name, content in epub.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    wide = "return [...document.querySelectorAll('img, pre')].filter(e => e.getBoundingClientRect().right > innerWidth).length"
    for name in contents():
        visit(browser, (tmp_path / f"{name}.xhtml").as_uri(), width=600)
        assert browser.execute_script(wide) == 0, name


def test_formulas_and_outputs_become_xml():
    for tex in (r"h_1, \dots, h_{150} < \tanh x", "\\begin{cases} a & b \\\\[2ex] c & d \\end{cases}"):
        text = "".join(ElementTree.fromstring(sermodules_book.mathml(tex, as_block=True)).itertext())
        assert "dots" not in text and "2" not in text.replace(" ", "")
    cell = (
        '<style scoped>a {}</style><script>if (a < b) {}</script><p hidden="">a&nbsp;&lt;</p><audio src="x">No</audio>'
    )
    tree = ElementTree.fromstring(f"<div>{sermodules_book.without_scripts(cell)}</div>")
    assert "".join(tree.itertext()) == "a\N{NO-BREAK SPACE}<The web page plays a recording here."


def test_a_data_frame_becomes_a_table_of_the_pdf():
    index = pd.MultiIndex.from_tuples([("a", "x"), ("a", "y"), ("b", "x")], names=["one", "two"])
    frame = pd.DataFrame([[1, 2], [3, 4], [5, 6]], index, pd.MultiIndex.from_tuples([("up", "p"), ("up", "q<r")]))
    table = sermodules_book.printed_table(frame.to_html())
    assert table[0]["cols"] == 4
    texts = [[entry.astext() for entry in row] for part in table[0][-2:] for row in part]
    assert texts[-3:] == [["a", "x", "1", "2"], ["y", "3", "4"], ["b", "x", "5", "6"]] and "q<r" in texts[1]
    [first, *_] = [entry for row in table[0][-1] for entry in row]
    assert first["morerows"] == 1
    assert "longtable" not in table["classes"] and [spec["colwidth"] for spec in table[0][:4]] == [2, 2, 2, 2]
    words = sermodules_book.printed_table(pd.DataFrame({"much": ["many words " * 300], "few": ["word"]}).to_html())
    assert "longtable" in words["classes"] and [spec["colwidth"] for spec in words[0][:3]] == [1, 57, 2]
    assert sermodules_book.printed_table("<audio></audio>") is None


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
def test_pdf_without_tex_says_what_is_missing(tmp_path):
    make = subprocess.run(
        [shutil.which("make"), "-C", str(ROOT), "pdf"], env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert make.returncode != 0
    assert "needs TeX" in make.stderr and "texlive-xetex" in make.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
def test_student_version_has_everything_but_the_solutions(tmp_path):
    shutil.copyfile(ROOT / "Makefile", tmp_path / "Makefile")
    (tmp_path / "book").mkdir()
    for path in BOOK.glob("*.ipynb"):
        shutil.copyfile(path, tmp_path / "book" / path.name)
    (tmp_path / ".venv").mkdir()
    for name in ("requirements.lock", "pyproject.toml", ".venv/.complete"):  # an environment that is there
        (tmp_path / name).touch()
    command = ["make", "-C", str(tmp_path), "student", f"BIN={Path(sys.executable).parent}"]
    made = subprocess.run(command, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    solutions = 0
    for path in BOOK.glob("*.ipynb"):
        ours = nbformat.read(path, as_version=4).cells
        theirs = nbformat.read(tmp_path / "_build" / "student" / path.name, as_version=4).cells
        expected = [(cell.id, cell.source) for cell in ours if "solution" not in cell.metadata.get("tags", ())]
        assert [(cell.id, cell.source) for cell in theirs] == expected, path.name
        assert not [cell for cell in theirs if cell.get("outputs")], path.name
        solutions += len(ours) - len(theirs)
    assert solutions > 20, "the chapters have no solutions, so this test says nothing"


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


@pytest.mark.parametrize(
    ("given", "binder", "colab"),
    [
        ("", None, None),
        (
            "https://github.com/someone/thing",
            "https://mybinder.org/v2/gh/someone/thing/main?urlpath=lab/tree/book/index.ipynb",
            "https://colab.research.google.com/github/someone/thing/blob/main/book/index.ipynb",
        ),
        (
            "https://gitlab.com/someone/thing",
            "https://mybinder.org/v2/gl/someone%2Fthing/main?urlpath=lab/tree/book/index.ipynb",
            None,
        ),
    ],
    ids=["unset", "GitHub", "GitLab"],
)
def test_one_setting_makes_buttons_and_downloads_that_lead_to_the_project(tiny, given, binder, colab):
    folder = tiny("print(1)")
    config = folder / "_config.yml"
    text = config.read_text(encoding="utf-8")
    changed, count = re.subn(r"^( +url:) .*$", rf'\1 "{given}"', text, flags=re.MULTILINE)
    assert count == 1
    config.write_text(changed, encoding="utf-8")
    result = build(folder)
    assert result.returncode == 0, result.stdout + result.stderr
    html = folder / "_build" / "html"
    page = BeautifulSoup((html / "book" / "index.html").read_text(encoding="utf-8"), "html.parser")
    links = [tag["href"] for tag in page.find_all("a", href=True)]
    for host, target in (("mybinder.org", binder), ("colab.research", colab)):
        assert [link for link in links if host in link] == [target] * (target is not None)
    (download,) = [link for link in links if link.endswith(".ipynb") and "://" not in link]
    source = nbformat.read(folder / "book" / "index.ipynb", as_version=4)
    copy = nbformat.read((html / "book" / download).resolve(), as_version=4)
    new = copy.cells[: -len(source.cells)]
    assert [cell.source for cell in copy.cells[len(new) :]] == [cell.source for cell in source.cells]
    assert [output.text for output in copy.cells[-1].outputs] == ["1\n"], "a copy holds what its page shows"
    assert "`book/index.ipynb`" in new[0].source and "`make lab`" in new[0].source
    assert [cell.cell_type for cell in new] == (["markdown", "code"] if given else ["markdown"])
    assert all(given in cell.source for cell in new)
    assert given or "://" not in new[0].source
    hint = sermodules_book.elsewhere(given)["elsewhere"]
    assert new[1].source in hint if colab else "Colab" not in hint


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


def test_cache_is_emptied_when_a_study_or_a_result_changed_and_only_then(tmp_path):
    cache, kept = tmp_path / "_build" / "cache", tmp_path / "_build" / "cache" / "output"
    for name, emptied in (("studies/a.yaml", True), (None, False), ("results/a/run.csv", True), ("data/a.wav", False)):
        if name:
            (tmp_path / name).parent.mkdir(parents=True)
            (tmp_path / name).touch()
        sermodules_book.refresh_cache(cache, sermodules_book.inputs_digest(tmp_path))
        assert kept.exists() is not emptied, name
        kept.touch()


def test_tables_are_computed(tmp_path):
    assert sermodules_book.versions(tmp_path) == sermodules_book.run_times({}) == {}
    (tmp_path / "requirements.txt").write_text("# a comment\nPyYAML==0.1\nnumpy==0.1\n-e .\n", encoding="utf-8")
    table = sermodules_book.versions(tmp_path)["versions"].splitlines()
    assert table[2:] == [f"| {name} | {importlib.metadata.version(name)} |" for name in ("numpy", "PyYAML")]
    commands = sermodules_book.commands()["commands"]
    assert "| `sermodules study run` | Do the runs of a study that are missing. |" in commands.splitlines()
    assert "| `sermodules corpora` |" in commands
    assert "`sermodules study` |" not in commands, "it does nothing by itself"


def test_cost_of_iemocap_is_what_was_measured(tmp_path):
    assert "no machine" in sermodules_book.iemocap_cost(tmp_path)["iemocap_cost"]
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "iemocap-cost.csv").write_text(
        "preset,model,precision,threads,training,hours,petaflop,workers,machine,backend,date\n"
        "paper,model2,float32,2,2.5,417.04,300.27,18,2 cores (X),jax 1,2026-11-23T01:00:00+00:00\n"
        "paper,all,float32,2,,1234.5,900,52,2 cores (X),jax 1,2026-11-23T01:00:00+00:00\n",
        encoding="utf-8",
    )
    found = sermodules_book.iemocap_cost(tmp_path)
    where, _, _, _, model2, every = found["iemocap_cost"].splitlines()
    assert where == "**2 cores (X), jax 1, 2026-11-23:**"
    assert model2 == "| `paper`, float32, 2 threads | `model2` | 2.5 | 200 | 417.0 | 18 |"
    assert every == "| `paper`, float32, 2 threads | `all` |  | 203 | 1,234.5 | 52 |"
    assert found["iemocap_hours"] == "1,234\N{NO-BREAK SPACE}hours on 2 cores (X)"
    assert found["iemocap_petaflop"] == "900\N{NO-BREAK SPACE}PFLOP"
    assert found["iemocap_gpu"].splitlines()[2:4] == ["| 5 | 50.0 | 3 |", "| 20 | 12.5 | 1 |"]


def test_landing_page_draws_what_the_ledger_says(studies):
    found = sermodules_book.our_figures(studies, ROOT)
    alt, picture = re.fullmatch(r"!\[(.+)\]\(data:image/png;base64,(\S+)\)", found["our_figure"]).groups()
    assert base64.b64decode(picture).startswith(b"\x89PNG")
    gain, low, high = re.match(r"([+-][\d.]+) points of UAR, \[(\S+), (\S+)\]", found["our_gain"]).groups()
    assert f"Model 2 less Model 1 {float(gain):+.1f}, from {float(low):+.1f} to {float(high):+.1f};" in alt
    for other in ("DNN-ELM", "CNN+LSTM, VTLP", "ComParE + SVM", "Model 2 without gender", "Model 2 with mean pooling"):
        assert f"Model 2 less {other} " in alt
    # Models 1 and 2 as in the paper.
    compared = [r for r in studies["emodb-teaching"] if r.config.gender == "embedding"]
    assert found["our_runs"] == str(len(compared)) and "points of UAR" in found["our_mean"]
    # How often it is right, and the SVM beside it: the figure's numbers, seen from the SVM's side.
    uar = scores.from_results(compared).groupby(["model", "speaker"])["uar"].mean()
    for model in ("model1", "model2"):
        assert found[f"our_{model}"] == f"{uar[model].mean():.1f}\N{NO-BREAK SPACE}%"
    assert found["our_worst"] == f"{uar['model2'].min():.0f}"
    behind, low, high = re.search(r"ComParE \+ SVM (\S+), from (\S+) to (\S+?)[.;]", alt + ";").groups()
    assert found["svm_lead"].startswith(f"{-float(behind):.1f} points of UAR ahead of Model 2")
    assert sermodules_book.our_figures({}) == {}
    sizes = [float(size) for size in re.findall(r"(\d+\.\d)(?= to| points)", found["our_power"])]
    assert sizes[0] < sizes[1] < sizes[2] and "run once before" in found["our_power"]  # two ways, and the former runs
    assert "before" not in sermodules_book.our_figures(studies)["our_power"]
    # The deviation log takes the same difference from the other side.
    assert sermodules_book.reading_figures(studies)["reading_13"].startswith(f"{-float(gain):+.1f} [")
    assert set(sermodules_book.reading_figures({}).values()) == {"not run yet"}


def test_the_level_of_the_svms_is_taken_from_its_runs(studies):
    results = studies["svm-level"]
    means = {
        level: pd.Series(
            [run.metrics["uar"] for run in results if run.config.level == level and run.config.model == "svm_egemaps"]
        )
        for level in ("equal", "recorded")
    }
    gain = 100 * (means["equal"].mean() - means["recorded"].mean())
    assert sermodules_book.level_figures({"svm-level": results})["level_svm_egemaps"].startswith(f"{gain:+.1f} [")
    assert set(sermodules_book.level_figures({}).values()) == {"not run yet"}


def test_benchmarks_are_shown_as_they_were_measured(tmp_path):
    assert sermodules_book.benchmark_tables(tmp_path) == {"benchmarks": "No benchmark is published yet."}
    told = {
        "cores": 2,
        "processor": "X",
        "system": "Linux",
        "versions": "keras 3",
        "date": "2026-11-23T01:00:00",
        "others_cores": 0.08,
    }
    rows = [
        measure.result(
            "training, preset teaching", "sermodules", [99, 101, 103], "segments/s", note="85 GFLOP a segment"
        ),
        measure.result("training, preset teaching", "PyTorch", [50, 50, 50], "segments/s", [99, 101, 103]),
        measure.missing("training, preset teaching", "stock", "keras-self-attention"),
    ]
    measure.write(
        pd.DataFrame(rows, columns=measure.COLUMNS).assign(**told), tmp_path / "results/benchmarks/training.csv"
    )
    lines = sermodules_book.benchmark_tables(tmp_path)["benchmarks"].splitlines()
    assert lines[0] == "### Training"
    assert lines[2] == "2 cores (X), Linux, keras 3, 2026-11-23, other programs used 0.08 cores meanwhile."
    assert lines[4] == "*Training, preset teaching*"
    assert lines[8:] == [
        "| sermodules | 101 segments/s (99.0–103) |  | 85 GFLOP a segment |",
        "| PyTorch | 50.0 segments/s (50.0–50.0) | 2.02 (1.98–2.06) |  |",
        "| stock |  |  | not installed: pip install keras-self-attention |",
    ]


def test_effect_of_bfloat16_is_taken_from_pairs_of_runs(studies):
    assert "No run" in sermodules_book.precision_effect({})["precision_effect"]
    plain = studies["emodb-teaching"]
    told = [run for run in plain if run.config.gender == "embedding" and run.config.seed == 1]
    half = [dataclasses.replace(run, config=run.config.replace(precision="mixed_bfloat16")) for run in told]
    table = sermodules_book.precision_effect({"emodb-teaching": plain, "precision": half})["precision_effect"]
    table, said = table.split("\n\n")
    assert said == sermodules_book.SAME_STEP
    for line, name in zip(table.splitlines()[2:], ("Model 1", "Model 2"), strict=True):
        first, pairs, before, after, difference, same = (cell.strip() for cell in line.strip("|").split("|"))
        assert (first, pairs, same) == (name, "10", "100") and before == after
        assert difference.startswith("+0.0")


@pytest.mark.parametrize("name", ["emodb-teaching", "cremad-teaching"])  # a run tests one speaker, or a group
def test_run_times_are_those_of_the_published_runs(name, studies):
    results = studies[name]
    table = sermodules_book.run_times({name: results})["run_times"]
    rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith(f"| `{name}`")]
    assert sum(int(row[1]) for row in rows) == len(results)
    spent = [sum(r.provenance["seconds"].values()) - r.provenance.get("reused_seconds", 0) for r in results]
    stated = [float(number) for number in re.findall(r"([\d.]+) hours of computing", table)]
    assert sum(stated) == pytest.approx(sum(spent) / 3600, abs=0.05 * len(stated))
    assert results[0].provenance["machine"]["processor"] in table
    twice = sermodules_book.run_times({name: results, "again": results})["run_times"]
    assert re.findall(r"\*\* .*", twice) == re.findall(r"\*\* .*", table)  # studies may share runs: counted once


def test_commits_are_those_of_the_checkout_and_of_the_published_runs(tmp_path, studies):
    table = sermodules_book.run_commits(studies)["run_commits"].splitlines()[2:]
    assert len(table) == len(studies)
    for line, (name, results) in zip(table, studies.items(), strict=True):
        assert line.startswith(f"| `{name}` |")
        assert sum(int(count) for count in re.findall(r"\((\d+) runs\)", line)) == len(results)
        assert {result.provenance["commit"][:7] for result in results} <= set(re.findall(r"[0-9a-f]{7}", line))
    assert sermodules_book.build_commit(tmp_path)["build_commit"].endswith("no checkout")
    here = sermodules_book.build_commit(ROOT)["build_commit"]
    assert re.match(r"commit `[0-9a-f]{7}`|a copy of the project", here)


def test_the_landing_page_says_in_words_which_variants_have_few_seeds():
    runs = pd.DataFrame({"model": ["model1"] + 3 * ["model2"], "attention": ["additive", "max", "mean", "mean"]})
    told = sermodules_book._few_seeds(runs.assign(gender="embedding", seed=[1, 1, 1, 2]))
    assert "1 variant of Model 1 and 1 variant of Model 2: the number of seeds is 1. All others have 2;" in told
    assert "Every method and variant has 1" in sermodules_book._few_seeds(runs[:3].assign(gender="none", seed=1))


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
