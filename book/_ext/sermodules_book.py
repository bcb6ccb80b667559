"""What this book asks of Sphinx beyond Jupyter Book: a cache that notices changes, and pages complete in themselves."""

import functools
import hashlib
import importlib.resources
import logging
import shutil
from pathlib import Path

import yaml
from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor
from myst_nb.core.render import NbElementRenderer
from sphinx.util.fileutil import copy_asset

from sermodules import claims, paper, published, scores

#: The parts of MathJax that a page can ask for, out of the 24 MB that the package ships.
MATHJAX = (
    "tex-mml-chtml.js",
    "input/tex/extensions",
    "output/chtml/fonts/woff-v2",
    "a11y",
    "sre/mathmaps/base.json",
    "sre/mathmaps/en.json",
)

#: What a chapter's outputs depend on besides its own cells.
INPUTS = ("sermodules/**/*.py", "studies/**/*", "results/**/*", "requirements.lock")

#: Functions of sphinx-thebe that write its scripts, which name another host, into every page; nothing here uses them.
THEBE = ("init_thebe_core", "update_thebe_context")


def inputs_digest(root):
    """Return the sha256, in hexadecimal, of the names and bytes of all files that `INPUTS` finds below `root`."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in INPUTS for path in Path(root).glob(pattern) if path.is_file()}):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def refresh_cache(cache, digest):
    """Empty the folder `cache` unless its outputs were made from the inputs that `digest` stands for."""
    stamp = Path(cache) / "inputs.sha256"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return
    shutil.rmtree(cache, ignore_errors=True)
    stamp.parent.mkdir(parents=True)
    stamp.write_text(digest, encoding="utf-8")


def execute_ahead(cache, chapters, timeout):
    """Run the notebooks whose outputs the folder `cache` lacks, as many at a time as there are cores.

    Sphinx would run them one after the other. One that fails is left to it: it runs the notebook again and reports the error.
    """
    cache, uris = get_cache(str(cache)), [str(path) for path in chapters]
    for uri in uris:
        cache.add_nb_to_project(uri)
    if cache.list_unexecuted(filter_uris=uris):
        logger = logging.getLogger("sermodules.chapters")
        logger.setLevel(logging.INFO)  # says which chapter begins and which is done
        load_executor("local-parallel", cache, logger).run_and_cache(filter_uris=uris, timeout=timeout)


def with_alt(render):
    """Let `render`, myst-nb's method for images, take the text of ``display(fig, metadata={"image/png": {"alt": ...}})``."""

    @functools.wraps(render)
    def render_image(self, data):
        images = render(self, data)
        alt = data.output_metadata.get(data.mime_type, {}).get("alt")
        if alt:
            images[0]["alt"] = alt
        return images

    return render_image


def paper_figures():
    """Return what the text quotes from the paper's tables, by the name to write between double braces."""
    printed = paper.TABLE2.dropna(subset=["model"]).set_index("model")["printed"]
    gain = paper.TABLE1_MEAN["model2_uar"] - paper.TABLE1_MEAN["model1_uar"]
    figures = {"paper_model1": f"UAR {printed['model1']} %", "paper_model2": f"UAR {printed['model2']} %"}
    figures["paper_gain"] = f"{gain:.2f} points"
    return {name: text.replace(" ", "\N{NO-BREAK SPACE}") for name, text in figures.items()}


def our_figures(root):
    """Return what the landing page says of the published study, by the name to write between double braces."""
    folder = Path(root) / "results" / "emodb-teaching"
    if not folder.is_dir():
        return {}
    results = published.load(folder)
    found = claims.ledger(scores.from_results(results)).set_index("id")
    main = found.loc["self-attention-beats-attention"]
    return {
        "our_runs": str(len(results)),
        "our_gain": main["ours"],
        "our_verdict": main["verdict"],
        "our_note": main["note"],
    }


def on_config(app, config):
    """Hand the paper's and our figures to the text, bring the execution cache up to date, and unplug sphinx-thebe."""
    config.myst_substitutions = {**config.myst_substitutions, **paper_figures(), **our_figures(app.srcdir)}
    cache = app.outdir.parent / ".jupyter_cache"
    refresh_cache(cache, config.sermodules_inputs)
    toc = yaml.safe_load((Path(app.srcdir) / "_toc.yml").read_text(encoding="utf-8"))
    named = [toc["root"], *(chapter["file"] for part in toc.get("parts", []) for chapter in part["chapters"])]
    chapters = [path for name in named if (path := Path(app.srcdir) / f"{name}.ipynb").is_file()]
    execute_ahead(cache, chapters, config.nb_execution_timeout)
    for listeners in app.events.listeners.values():
        for listener in list(listeners):
            if listener.handler.__module__ == "sphinx_thebe" and listener.handler.__name__ in THEBE:
                app.disconnect(listener.id)


def on_finish(app, exception):
    """Copy MathJax into the pages."""
    if exception is not None or app.builder.format != "html":
        return
    source = Path(importlib.resources.files("sphinx-mathjax-offline")) / "static" / "mathjax"
    for name in MATHJAX:
        target = app.outdir / "_static" / "mathjax" / name
        copy_asset(source / name, target.parent if (source / name).is_file() else target)


def setup(app):
    """Register the extension; Sphinx reads every page anew when the inputs have changed."""
    NbElementRenderer.render_image = with_alt(NbElementRenderer.render_image)
    app.add_config_value("sermodules_inputs", inputs_digest(app.srcdir), "env", types=[str])
    app.connect("config-inited", on_config)
    app.connect("build-finished", on_finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
