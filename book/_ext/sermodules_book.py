"""What this book asks of Sphinx beyond Jupyter Book.

A cache that notices changes, chapters that run side by side, figures and tables that are computed and not typed, an API
reference from numpydoc docstrings, pages complete in themselves, downloads that say what they need, and an EPUB.
"""

import base64
import hashlib
import html
import importlib.metadata
import importlib.resources
import inspect
import io
import logging
import math
import os
import platform
import re
import shutil
import sys
from pathlib import Path

import click
import nbformat
import numpy as np
import pandas as pd
import yaml
from bs4 import BeautifulSoup
from docutils import nodes
from docutils.utils.math import MathError
from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor
from mathml import mathml, without_named_entities
from matplotlib.figure import Figure
from myst_nb.core.render import NbElementRenderer
from myst_nb.sphinx_ext import add_global_html_resources
from sphinx.ext.napoleon import Config, NumpyDocstring
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging as sphinx_logging
from sphinx.util.fileutil import copy_asset
from sphinx.util.nodes import make_refnode

from sermodules import plots
from sermodules.__main__ import main as command_line
from sermodules.config import METHODS
from sermodules.evidence import claims, paper, report, scores, statistics
from sermodules.paths import project_root
from sermodules.runs import provenance
from sermodules.study import published

sys.path.append(str(Path(__file__).resolve().parents[2]))  # `benchmarks` is no part of the package

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
INPUTS = (
    "sermodules/**/*.py",
    "sermodules/**/*.js",
    "sermodules/**/*.css",
    "studies/**/*",
    "results/**/*",
    "requirements.lock",
)

#: How the attention player looks: in the EPUB it comes without the style that it carries.
PLAYER_STYLE = Path(importlib.resources.files("sermodules.plots")) / "_player.css"

#: Functions of sphinx-thebe that write its scripts, which name another host, into every page; nothing here uses them.
THEBE = ("init_thebe_core", "update_thebe_context")

#: How docstrings are read: attributes and results as a list of names, as parameters are.
NUMPYDOC = Config(napoleon_use_rtype=False, napoleon_custom_sections=[("Attributes", "params_style")])

#: What is changed in them after that.
REWRITTEN = (
    (
        r"^( *)\.\. \[(\d+)\] ",
        r"\1\2. \\",
    ),  # references become a numbered list: as footnotes all on the page would be number 1
    (r"\[(\d+)\]_", r"[\1]"),
    (r"(?<=[( ])\*([A-Z]\w+)\*(?=\)| --|$)", r"`\1`"),  # a type that is one class, which may be ours: see `reference`
)

#: What Sphinx and docutils write as lists that are none to a screen reader (axe-core: definition-list, aria-required-children):
#: the parameters of a long signature, and the entries of a bibliography.
MENDED = (
    (r"<dl>\n((?:<dd>.*</dd>\n)+)</dl>", r"<div>\n\1</div>"),
    (r"^<dd>(<em class=\"sig-param\">.*)</dd>$", r'<div class="sig-line">\1</div>'),
    (r' role="list"(?= class="(?:citation|footnote)-list")| role="doc-biblioentry"', ""),
)

#: Stands in the EPUB where a page has a recording.
RECORDING = "<p><em>The web page plays a recording here.</em></p>"

#: Stands in the PDF for an output that is no text, by its kind.
IN_PRINT = {"Audio": "The web page plays a recording here.", "HTML": "The web page has more here."}

#: From how many letters on a table of the PDF may go on over pages.
LONG = 2500

#: What a downloaded chapter begins with; the second part and the cell only if the project has an address.
COPY = """\
**A copy of the chapter `{chapter}`.** It needs the project that it belongs to: the package `sermodules`, and for some chapters
the published results. Put it into the folder `book/` of the checkout, type `make lab` in the checkout, and open it there."""
ADDRESS = """
The project is at <{address}>. Anywhere else, as on Colab, the next cell gets what is missing."""
GET = """\
import importlib.util

if importlib.util.find_spec("sermodules") is None:
    !git clone --depth 1 {address}
    %cd {folder}
    %pip install --quiet . tensorflow keras-self-attention myst-nb"""

#: What the landing page says of the buttons.
BINDER = (
    "**In the browser.** The rocket above a chapter opens it on Binder, which installs everything. That takes minutes."
)
COLAB = "It also opens the chapter on Colab, which lacks the project. Copy these lines into a new first cell there and run it."


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


class Renderer(NbElementRenderer):
    """Gives an image the text of ``display(fig, metadata={"image/png": {"alt": ...}})``. ``_config.yml`` asks for it."""

    def render_image(self, data):
        """Return the nodes of an image, with its text."""
        images = super().render_image(data)
        alt = data.output_metadata.get(data.mime_type, {}).get("alt")
        if alt:
            images[0]["alt"] = alt
        return images


def paper_figures():
    """Return what the text quotes from the paper's tables, by the name to write between double braces."""
    printed = paper.TABLE2.dropna(subset=["model"]).set_index("model")["printed"]
    gain = paper.TABLE1_MEAN["model2_uar"] - paper.TABLE1_MEAN["model1_uar"]
    figures = {"paper_model1": f"UAR {printed['model1']} %", "paper_model2": f"UAR {printed['model2']} %"}
    figures["paper_gain"] = f"{gain:.2f} points"
    return {name: text.replace(" ", "\N{NO-BREAK SPACE}") for name, text in figures.items()}


def published_studies(root):
    """Return the runs of each study that is published in the project, by the study's name."""
    return {path.parent.name: published.load(path.parent) for path in sorted(Path(root).glob("results/*/SHA256SUMS"))}


def our_figures(studies, root=None):
    """Return what the landing page says of the published runs on EMO-DB, by the name to write between double braces."""
    results = studies.get("emodb-teaching")
    if not results:
        return {}
    runs = scores.from_results([*results, *studies.get("comparison", ())])
    found = claims.ledger(runs)
    by_id = found.set_index("id")
    main, mean = by_id.loc["self-attention-beats-attention"], by_id.loc["self-attention-beats-mean-pooling"]
    return {
        "our_runs": main["runs"].split(",")[0].removesuffix(" runs"),
        "our_gain": main["ours"],
        "our_mean": mean["ours"],
        "our_verdict": main["verdict"],
        "our_power": _seen(main, runs, former_scores(root)),
        "few_seeds": _few_seeds(runs),
        "our_seeds": _seeds(found[found["ours"].str.contains("points of UAR")]),
        "our_figure": claims_figure(found[found["ours"].str.contains("points of UAR")]),
        **_how_often(runs),
        **_svm([*results, *studies.get("comparison", ())]),
    }


def _seeds(rows):
    """Say how many seeds the differences of a figure rest on."""
    seeds = rows["runs"].str.extract(r"(\d+) seeds?:")[0].astype(int)
    fewer = [
        f"{row.compared}, {count}" for row, count in zip(rows.itertuples(), seeds, strict=True) if count < seeds.max()
    ]
    return f"Seeds: {seeds.max()}" + (f"; of {'; '.join(fewer)}." if fewer else ".")


def _few_seeds(runs):
    """Say which settings have fewer seeds than the others."""
    seeds = runs.groupby(["model", "attention", "gender"])["seed"].nunique()
    few = seeds[seeds < seeds.max()].rename(index=lambda name: METHODS[name].name, level="model")
    if few.empty:
        return f"**More seeds.** Every method and variant has {seeds.max()}."
    counts = few.groupby(level="model").size()
    listed = " and ".join(f"{count} variant{'s' * (count > 1)} of {name}" for name, count in counts.items())
    fewest = f"from {few.min()} to {few.max()}" if few.min() < few.max() else f"{few.max()}"
    return (
        f"**Steady figures for all that is compared.** {listed}: the number of seeds is {fewest}. All others have"
        f" {seeds.max()}; {{doc}}`baselines` has the list."
    )


def _how_often(runs):
    """Return the UAR of Models 1 and 2, and of the speakers on whom Model 2 is worst and best: means over the seeds."""
    cells = {"our_model1": ("model1", "additive"), "our_model2": ("model2", "seq_self")}
    by_speaker = runs[runs["gender"] == "embedding"].groupby(["model", "attention", "speaker"])["uar"].mean()
    told = {name: f"{by_speaker[cell].mean():.1f}\N{NO-BREAK SPACE}%" for name, cell in cells.items()}
    speakers = by_speaker[cells["our_model2"]]
    return told | {"our_worst": f"{speakers.min():.0f}", "our_best": f"{speakers.max():.0f}\N{NO-BREAK SPACE}%"}


def former_scores(root):
    """Return the scores of Models 1 and 2 with gender as the former training step had them; None if they are not there."""
    path = Path(root) / "results" / "two-steps.csv" if root else None
    if path is None or not path.is_file():
        return None
    rows = pd.read_csv(path).query("gender == 'embedding'").rename(columns={"before": "uar", "model": "configuration"})
    return rows.assign(speaker=rows["fold"].astype(str))[list(statistics.COLUMNS)]


def _seen(claim, runs, former):
    """Say which difference runs that cannot tell would have shown: by their SD, by their seeds, and with the former step."""
    if claim["verdict"] != claims.CANNOT_TELL:
        return ""
    told = runs[(runs["gender"] == "embedding") & runs["attention"].isin(["additive", "seq_self"])]
    sizes = _detectable(told.assign(configuration=told["model"]))
    text = f"Eight of ten such studies would find a true difference of {_from_to(sizes)} points"
    text += " (two ways to estimate it)" if sizes[0] != sizes[-1] else ""
    if former is not None:
        text += (
            ". Models 1 and 2 had been run once before, with a training step that rounds otherwise; those runs are as good,"
            f" and by them it would be {_from_to(_detectable(former))} points"
        )
    return f"{text}. A smaller difference would be found less often, in either direction."


def _detectable(table):
    """Return, smallest first, what such a study finds: by the SD of its differences, and by what its seeds alone make of it."""
    values = statistics.paired_differences(table, "model1", "model2")
    parts, seeds = statistics.spread(table, "model1", "model2"), values["seeds"].min()
    sds = values["difference"].std(), parts.of_folds(seeds)
    return sorted(round(statistics.detectable(sd, speakers=len(values), repeats=4000), 1) for sd in sds)


def _from_to(sizes):
    return f"{sizes[0]:.1f}" if sizes[0] == sizes[-1] else f"{sizes[0]:.1f} to {sizes[-1]:.1f}"


#: The networks and the SVM of the landing page, as model, attention and gender.
MODEL1, MODEL2, SVM = "model1 additive embedding", "model2 seq_self embedding", "svm_compare seq_self none"


def _configurations(results):
    """Return the scores with configurations named by model, attention and gender."""
    runs = report.scores(results)
    return runs.assign(configuration=runs["model"] + " " + runs["attention"] + " " + runs["gender"])


def _svm(results):
    """Say how far the SVM is from Model 2: alone, and as one of the two questions that chapter "Baselines" asks."""
    runs = _configurations(results)
    if SVM not in set(runs["configuration"]):
        absent = dict.fromkeys(("svm_alone", "svm_verdict"), claims.NOT_TESTED) | dict.fromkeys(
            ("svm_p", "svm_p_holm"), "–"
        )
        return {"svm_lead": "(not run yet)", **absent}
    # the SVM draws no weights, so it stands against the mean of a network's seeds
    means = runs.groupby(["configuration", "fold", "speaker"], sort=False, as_index=False)["uar"].mean().assign(seed=0)
    both = pd.concat(statistics.compare(means, network, [SVM]) for network in (MODEL2, MODEL1))
    both["p_holm"] = statistics.holm(both["p"])
    row = both.iloc[0]
    low, high = row[["low", "bootstrap_low"]].min(), row[["high", "bootstrap_high"]].max()
    lead = (
        f"{abs(row['difference']):.1f} points of UAR {'ahead of' if row['difference'] > 0 else 'behind'} Model 2. The"
        f" interval, from {low:.1f} to {high:.1f} points, {'holds' if low <= 0 <= high else 'does not hold'} zero"
    )
    verdicts = {"svm_alone": statistics.verdict(row.drop("p_holm")), "svm_verdict": statistics.verdict(row)}
    p = {"svm_p": f"{row['p']:.3f}", "svm_p_holm": f"{row['p_holm']:.3f}"}
    return {"svm_lead": lead, **verdicts, **p}


#: The readings whose cost the deviation log shows, by the name to write between double braces.
READINGS = {
    "reading_11": "model2 scaled_dot embedding",
    "reading_12": "model2 mean embedding",
    "reading_12_max": "model2 max embedding",
    "reading_13": MODEL1,
    "reading_13_acrnn": "model2 acrnn embedding",
    "reading_13_code": "model2 acrnn_code embedding",
    "reading_14": "model2 seq_self none",
    "reading_15": "model2 seq_self embedding64",
}


def reading_figures(studies):
    """Return what other readings of the paper cost on EMO-DB, against Model 2 as we read it."""
    results = [result for name in ("emodb-teaching", "comparison") for result in studies.get(name, ())]
    if not results:
        return dict.fromkeys(READINGS, "not run yet")
    runs = _configurations(results)
    there = [name for name in READINGS.values() if name in set(runs["configuration"])]
    costs = statistics.compare(runs, MODEL2, there).set_index("configuration")
    texts = {
        name: f"{row['difference']:+.1f} [{row['low']:.1f}, {row['high']:.1f}], seeds: {row['seeds']}"
        for name, row in costs.iterrows()
    }
    return {key: texts.get(name, "not run yet") for key, name in READINGS.items()}


def level_figures(studies):
    """Return what bringing all recordings to one level does to the SVMs on EMO-DB, by the name to write between braces."""
    found = {}
    for model in ("svm_egemaps", "svm_compare"):
        runs = [result for result in studies.get("svm-level", ()) if result.config.model == model]
        text = "not run yet"
        if runs:
            levels = {result.config.run_id: result.config.level for result in runs}
            table = scores.from_results(runs)
            row = statistics.compare(table.assign(configuration=table["run"].map(levels)), "recorded").iloc[0]
            text = f"{row['difference']:+.1f} [{row['low']:.1f}, {row['high']:.1f}]"
        found[f"level_{model}"] = text
    return found


def claims_figure(rows):
    """Draw rows of a ledger, and return the picture as Markdown that holds it."""
    figure, picture = Figure(figsize=(8, 0.8 + 0.35 * len(rows)), layout="constrained"), io.BytesIO()
    ax = plots.plot_claims(rows, figure.subplots(), {claim.id: claim.value for claim in claims.CLAIMS})
    ax.set_xlabel("difference of UAR (points)")
    figure.savefig(picture, dpi=150)
    lines = [f"{row.compared} {row.value:+.1f}, from {row.low:+.1f} to {row.high:+.1f}" for row in rows.itertuples()]
    alt = f"Differences of UAR in points, with 95 % intervals. {'; '.join(lines)}."
    return f"![{alt}](data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()})"


def choice_figures(root):
    """Return what the deviation log says of the choice of preset `teaching`: what three more epochs gain in validation UAR."""
    path = Path(root) / "results" / "teaching-choice.csv"
    if not path.is_file():
        return {}
    rows = pd.read_csv(path, dtype={"validation_speaker": str}).query("batch_size == 16 and learning_rate == 0.001")
    best = [rows[rows["epoch"] <= last].groupby(["fold", "model"])["val_uar"].max().mean() for last in (12, 15)]
    return {
        "choice_gain": f"{100 * (best[1] - best[0]):.1f} points".replace(" ", "\N{NO-BREAK SPACE}"),
        "choice_speakers": ", ".join(sorted(rows["validation_speaker"].unique())),
        **_annealing(Path(root) / "results" / "annealing-choice.csv"),
    }


def _annealing(path):
    """Return the validation UAR (%) of CREMA-D's trainings with 6 and with 10 epochs, in the last epoch and in the best."""
    if not path.is_file():
        return {}
    rows = pd.read_csv(path).query("recordings == 0 and anneal_above == 300")
    by = 100 * rows.groupby(["epochs", "model"])["val_uar"].agg(["last", "max"]).groupby("epochs").mean()
    return {
        f"annealing_{which}_{epochs}": f"{by.loc[epochs, column]:.1f}\N{NO-BREAK SPACE}%"
        for epochs in by.index
        for which, column in (("last", "last"), ("best", "max"))
    }


def seen_figures(studies, root):
    """Return four figures on EMO-DB for the speakers on whom preset `teaching` was chosen, and for the others, as a table."""
    path, results = Path(root) / "results" / "teaching-choice.csv", studies.get("emodb-teaching")
    if not results or not path.is_file():
        return {"choice_seen": "No runs to show it are published yet."}
    seen = set(pd.read_csv(path, dtype=str)["validation_speaker"])
    runs = _configurations([*results, *studies.get("comparison", ())])
    uar = runs.groupby(["configuration", "speaker"])["uar"].mean()
    asked = {
        "Model 2: UAR (%)": (MODEL2, None),
        "Model 2 less Model 1 (points)": (MODEL2, MODEL1),
        "gender less none, Model 2 (points)": (MODEL2, READINGS["reading_14"]),
        "SVM less Model 2 (points)": (SVM, MODEL2),
    }
    lines = []
    for what, (plus, minus) in asked.items():
        if {plus, minus} - {None} <= set(runs["configuration"]):
            values = uar[plus] - (uar[minus] if minus else 0)
            chosen = values.index.isin(seen)
            form = "{:+.1f}" if minus else "{:.1f}"
            lines.append((what, *(form.format(values[part].mean()) for part in (chosen, ~chosen))))
    return {"choice_seen": _table(("", "#on those speakers", "#on the others"), lines)}


def repetition(root):
    """Say how far one experiment, done twice, is from itself: Model 2 with gender on EMO-DB, now less with the former step."""
    path = Path(root) / "results" / "two-steps.csv"
    if not path.is_file():
        return {"repetition": "not known"}
    rows = pd.read_csv(path).query("model == 'model2' and gender == 'embedding'")
    by_fold = rows.groupby("fold")[["before", "now"]].mean()
    gap = by_fold["now"] - by_fold["before"]
    test, (low, high) = statistics.corrected_t(gap), statistics.bootstrap_interval(gap)
    return {"repetition": f"{test.mean:+.1f} [{min(test.low, low):.1f}, {max(test.high, high):.1f}]"}


# --- tables: each is Markdown, by the name to write between double braces


def _table(head, rows):
    """Write a Markdown table; a column whose head begins with a number sign holds numbers."""
    rule = ["---:" if name.startswith("#") else "---" for name in head]
    lines = [[name.removeprefix("#") for name in head], rule, *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def versions(root):
    """Return the versions that this environment has of what requirements.txt names, and the machine."""
    path = Path(root) / "requirements.txt"
    if not path.is_file():
        return {}
    names = re.findall(r"^([\w.-]+)==", path.read_text(encoding="utf-8"), re.MULTILINE)
    rows = [(name, importlib.metadata.version(name)) for name in sorted(names, key=str.lower)]
    machine = f"Python {platform.python_version()} on {platform.system()}, {os.cpu_count()} cores"
    return {"versions": _table(("package", "version"), rows), "machine": machine}


def build_commit(root):
    """Return the commit of the checkout that the pages are made from, and whether files of it were changed."""
    top = provenance.git("rev-parse", "--show-toplevel")
    if not top or Path(root).resolve() != project_root().resolve() or Path(top).resolve() != project_root().resolve():
        return {"build_commit": "a copy of the project that is no checkout"}
    changed = provenance.git("status", "--porcelain", "--untracked-files=no")
    told = f"commit `{provenance.git('rev-parse', 'HEAD')[:7]}`"
    return {"build_commit": told + (", with files changed since" if changed else "")}


def commands():
    """Return the commands of the command line with the first sentence of their help."""
    rows, waiting = [], [("sermodules", command_line)]
    for name, command in waiting:
        if isinstance(command, click.Group):
            waiting += [(f"{name} {part}", member) for part, member in command.commands.items()]
        if not isinstance(command, click.Group) or command.invoke_without_command:
            rows.append((f"`{name}`", command.get_short_help_str(limit=200)))
    return {"commands": _table(("command", "what it does"), sorted(rows))}


def _environment(provenance):
    machine, known, backend = provenance["machine"], provenance["versions"], provenance["backend"]
    devices = ", ".join([f"{machine['cores']} cores ({machine['processor']})", *machine["accelerators"]])
    return f"{devices}, {machine['system']}, {backend} {known[backend]}, Python {known['python']}"


def _configuration(run):
    attention = (
        run["attention"] if run["attention"] != METHODS[run["model"]].brings.get("attention", "seq_self") else ""
    )
    gender = f"gender: {run['gender']}" if run["model"] in report.PAPERS else ""
    return ", ".join(filter(None, [METHODS[run["model"]].name, attention, gender, run["settings"]]))


def run_times(studies):
    """Return what the runs of the published studies took, a table for each kind of machine."""
    rows = []
    for name, results in studies.items():
        table = scores.from_results(results).drop_duplicates("run")  # there is a row a speaker, too
        table["where"] = [_environment(result.provenance) for result in results]
        table["what"] = [f"`{name}`: {_configuration(run)}" for _, run in table.iterrows()]
        table["reused"] = [result.provenance.get("reused_seconds", 0.0) for result in results]
        rows.append(table[["where", "what", "run", "seconds", "reused"]].dropna())
    if not rows:
        return {}
    texts = []
    for where, runs in pd.concat(rows).groupby("where", sort=False):
        times = runs.groupby("what", sort=False)["seconds"].agg(["size", "median", "min", "max"])
        lines = [
            (what, f"{t['size']:.0f}", f"{t['median']:.0f} ({t['min']:.0f}–{t['max']:.0f})")
            for what, t in times.iterrows()
        ]
        table = _table(("study: configuration", "#runs", "#seconds a run"), lines)
        once = runs.drop_duplicates("run")  # studies may share runs
        hours = (once["seconds"] - once["reused"]).sum() / 3600
        texts.append(f"**{where}:** {len(once)} runs, {hours:.1f} hours of computing\n\n{table}")
    return {"run_times": "\n\n".join(texts)}


def run_commits(studies):
    """Return which commits made the runs of each published study, the most runs first."""
    rows = []
    for name, results in studies.items():
        made = pd.Series([(result.provenance.get("commit") or "not known")[:9] for result in results]).value_counts()
        rows.append((f"`{name}`", ", ".join(f"{commit[:7]} ({count} runs)" for commit, count in made.items())))
    return {"run_commits": _table(("study", "commit"), rows)}


#: The benchmarks whose tables the page of versions shows, in this order.
BENCHMARKS = {
    "training": "Training",
    "parts": "A training step, taken apart",
    "against": "Training, beside another commit",
    "features": "Features",
    "memory": "Memory",
    "first": "The first minutes",
}


def benchmark_tables(root):
    """Return the tables of the published benchmarks, and where and when each was measured."""
    texts = []
    for name, title in BENCHMARKS.items():
        path = Path(root) / "results" / "benchmarks" / f"{name}.csv"
        if path.is_file():
            texts.append(_benchmark(title, pd.read_csv(path)))
    return {"benchmarks": "\n\n".join(texts) or "No benchmark is published yet."}


def _benchmark(title, rows):
    from benchmarks import measure

    told, tables = rows.iloc[0], []
    where = [f"{told['cores']} cores ({told['processor']})", told["system"], told["versions"], str(told["date"])[:10]]
    if pd.notna(told["others_cores"]):
        where.append(f"other programs used {told['others_cores']:.2g} cores meanwhile")
    for what, part in rows.groupby("what", sort=False):
        lines = [
            (row["contender"], *measure.shown(row), "" if pd.isna(row["note"]) else row["note"])
            for _, row in part.iterrows()
        ]
        head = ("who", "#measured", "#ours / this", "note")
        tables.append(f"*{what[0].upper() + what[1:]}*\n\n{_table(head, lines)}")
    return f"### {title}\n\n{', '.join(where)}.\n\n" + "\n\n".join(tables)


#: Below the table of bfloat16. Runs that are older than today's training step keep no digest of what computes.
SAME_STEP = "Both sides were trained with the same training step."
OTHER_STEP = (
    "The two sides were trained with different training steps, of which one rounds otherwise. So the difference holds another"
    " draw of the weights, too, and cannot be laid to bfloat16 alone."
)


def precision_effect(studies):
    """Return what training in bfloat16 does to the UAR: the study `precision` beside the same runs of `emodb-teaching`."""
    half = studies.get("precision")
    if not half:
        return {"precision_effect": "No run in bfloat16 is published yet."}
    plain = {result.config: result for result in studies.get("emodb-teaching", ())}
    pairs = [(plain[key], result) for result in half if (key := result.config.replace(precision="float32")) in plain]
    lines = []
    for model in dict.fromkeys(result.config.model for _, result in pairs):
        mine = [pair for pair in pairs if pair[1].config.model == model]
        columns = [scores.from_results(results) for results in zip(*mine, strict=True)]
        runs = pd.concat([table.assign(configuration=name) for name, table in zip("ab", columns, strict=True)])
        found = statistics.compare(runs, "a", ["b"]).iloc[0]
        same = [(a.predictions["predicted"] == b.predictions["predicted"]).to_numpy() for a, b in mine]
        lines.append(
            (
                METHODS[model].name,
                len(mine),
                *(f"{table.groupby('fold')['uar'].mean().mean():.1f}" for table in columns),
                f"{found['difference']:+.1f} [{found['low']:+.1f}, {found['high']:+.1f}]",
                f"{100 * np.concatenate(same).mean():.0f}",
            )
        )
    head = ("model", "#pairs of runs", "#UAR in float32", "#UAR in bfloat16", "#difference", "#same answers (%)")
    sides = [{"computes" in result.provenance for result in side} for side in zip(*pairs, strict=True)]
    said = SAME_STEP if len(set.union(*sides)) == 1 else OTHER_STEP
    return {"precision_effect": f"{_table(head, lines)}\n\n{said}"}


#: TFLOP a second for which the page of clusters says what the grid would cost on a GPU; none has been measured.
GPU_SPEEDS = (5, 20, 100)


def iemocap_cost(root):
    """Return what the full IEMOCAP grid costs on the machines on which studies/measure_cost.py was run, and would on a GPU."""
    path = Path(root) / "results" / "iemocap-cost.csv"
    if not path.is_file():
        missing = ("iemocap_cost", "iemocap_hours", "iemocap_petaflop", "iemocap_gpu")
        return dict.fromkeys(missing, "(no machine has been measured yet)")
    head = ("run", "model", "#segments trained a second", "#GFLOP a second", "#hours", "#machines for a day")
    texts = []
    table = pd.read_csv(path)
    for where, rows in table.assign(day=table["date"].str[:10]).groupby(["machine", "backend", "day"], sort=False):
        lines = []
        for row in rows.itertuples():
            run = (
                f"`{row.preset}`, {row.precision.removeprefix('mixed_')}, {row.threads} thread{'s' * (row.threads > 1)}"
            )
            kept_up = f"{row.petaflop * 1e6 / (3600 * row.hours):,.0f}"
            lines.append((run, f"`{row.model}`", _speed(row.training), kept_up, f"{row.hours:,.1f}", row.workers))
        texts.append(f"**{where[0]}, {where[1]}, {where[2]}:**\n\n{_table(head, lines)}")
    full = table.query("preset == 'paper' and model == 'all' and precision == 'float32'").iloc[0]
    petaflop = full["petaflop"]
    hours = {speed: petaflop * 1000 / speed / 3600 for speed in GPU_SPEEDS}
    lines = [(speed, f"{found:,.1f}", math.ceil(found / 24)) for speed, found in hours.items()]
    return {
        "iemocap_cost": "\n\n".join(texts),
        "iemocap_hours": f"{full['hours']:,.0f}\N{NO-BREAK SPACE}hours on {full['machine']}",
        "iemocap_petaflop": f"{petaflop:,.0f}\N{NO-BREAK SPACE}PFLOP",
        "iemocap_gpu": _table(("#TFLOP a second", "#hours", "#GPUs for a day"), lines),
    }


def _speed(value):
    return "" if pd.isna(value) else f"{value:,.3g}"


def chapter_times(cache, chapters, root):
    """Return how long the cells of each chapter ran when the folder `cache` was filled."""
    cache, rows = get_cache(str(cache)), []
    for path in chapters:
        if record := cache.get_cached_project_nb(str(path)):
            rows.append((path.relative_to(root).with_suffix(""), record.data["execution_seconds"]))
    lines = [(f"{{doc}}`/{name}`", f"{seconds:.0f}") for name, seconds in rows]
    lines.append(("together", f"{sum(seconds for _, seconds in rows):.0f}"))
    return {"chapter_times": _table(("chapter", "#seconds"), lines)}


# --- chapters elsewhere: downloaded, on Binder or Colab, in the EPUB


def launch_buttons(options, address):
    """Take the buttons away that cannot work: all while the project has no address; Colab opens only what is on GitHub."""
    if not address:
        options.pop("launch_buttons", None)
    elif "github.com/" not in address:
        options["launch_buttons"]["colab_url"] = ""


def get_project(address):
    """Return the lines of a cell that gets the project where it is missing."""
    return GET.format(address=address, folder=address.rstrip("/").rpartition("/")[2])


def executed(notebook, cache):
    """Return a notebook with the outputs that the pages show, if `cache` has run its code."""
    try:
        return cache.merge_match_into_notebook(notebook)[1]
    except KeyError:
        return notebook


def explain_copies(sources, address, cache):
    """Let every notebook below the folder `sources`, where a page's download button finds it, begin with what it needs.

    It also gets its outputs, from the folder `cache`: without them a reader would miss each paragraph that has a number.
    """
    cache = get_cache(str(cache))
    for path in sorted(Path(sources).rglob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        if notebook.cells[0].get("id") != "about-this-copy":
            notebook = executed(notebook, cache)
            text = (COPY + ADDRESS if address else COPY).format(
                chapter=path.relative_to(sources).as_posix(), address=address
            )
            new = [nbformat.v4.new_markdown_cell(text, id="about-this-copy")]
            if address:
                new.append(nbformat.v4.new_code_cell(get_project(address), id="get-the-project"))
            notebook.cells[:0] = new
            nbformat.write(notebook, path)


def elsewhere(address):
    """Return what the landing page says of Binder and Colab, by the name to write between double braces."""
    parts = [BINDER] if address else []
    if "github.com/" in address:
        parts.append(f"{COLAB}\n\n```python\n{get_project(address)}\n```")
    return {"elsewhere": "\n\n".join(parts)}


def visit_math(translator, node):
    """Write a formula as MathML."""
    block = isinstance(node, nodes.math_block)
    try:
        formula = mathml(node.astext(), block)
    except MathError as error:
        message = "this formula cannot be written as MathML for the EPUB: %s"
        sphinx_logging.getLogger(__name__).warning(message, error, location=node)
        formula = html.escape(node.astext())
    if block:
        formula = f"{translator.starttag(node, 'div', CLASS='math')}{formula}</div>"
    translator.body.append(formula)
    raise nodes.SkipNode


def without_scripts(markup):
    """Return an HTML output as it can stand in an EPUB: XML, without scripts, and a sentence where it sounds."""
    markup = re.sub(r"<(script|style|noscript)\b.*?</\1>", "", markup, flags=re.DOTALL)
    markup = re.sub(r"<audio\b[^>]*>(?:[^<]|<source\b[^>]*>)*(?:</audio>)?", RECORDING, markup)
    return without_named_entities(markup)


class WithoutScripts(SphinxPostTransform):
    """Bring the HTML outputs of cells into the form that an EPUB can hold."""

    builders = ("epub",)
    default_priority = 500  # after myst-nb has chosen among the forms of an output

    def run(self, **kwargs):
        """Replace the raw HTML of one document."""
        for node in list(self.document.findall(nodes.raw)):
            if "html" in node["format"].split():
                node.replace_self(nodes.raw("", without_scripts(node.astext()), format="html"))


class WithoutObjects(SphinxPostTransform):
    """Say in the PDF where the page has something that sounds or moves: of such an output LaTeX has only a name."""

    builders = ("latex",)
    default_priority = 500  # after myst-nb has chosen among the forms of an output

    def run(self, **kwargs):
        """Replace the names in one document."""
        for node in list(self.document.findall(nodes.literal_block)):
            if match := re.fullmatch(r"<IPython\.[\w.]*\.(\w+) object>", node.astext().strip()):
                text = IN_PRINT.get(match[1], IN_PRINT["HTML"])
                node.replace_self(nodes.paragraph("", "", nodes.emphasis("", text)))


class PrintedTables(SphinxPostTransform):
    """Set the tables that cells show as tables of the PDF: as printed text a wide one would wrap over pages."""

    builders = ("latex",)
    default_priority = 3  # before myst-nb chooses among the forms of an output

    def run(self, **kwargs):
        """Replace the text form of each table of one document."""
        for bundle in self.document.findall(nodes.container):
            forms = {child.get("mime_type"): child for child in bundle.children if isinstance(child, nodes.container)}
            if {"text/html", "text/plain"} <= forms.keys() and (table := printed_table(forms["text/html"].astext())):
                forms["text/plain"].children = []
                forms["text/plain"] += table


def printed_table(markup):
    """Turn the HTML of a data frame into a table of docutils; None if there is none in it."""
    found = BeautifulSoup(markup, "html.parser").select_one("table.dataframe")
    if found is None:
        return None
    width = sum(int(cell.get("colspan", 1)) for cell in found.find("tr").find_all(["th", "td"]))
    lengths = [
        1
    ] * width  # of the texts below each other, counted from the right: an index is there once for several rows
    for row in found.select("tbody tr"):
        for number, cell in enumerate(reversed(row.find_all(["th", "td"])), 1):
            lengths[-number] += len(cell.get_text())
    group = nodes.tgroup("", *(nodes.colspec(colwidth=round(length**0.5)) for length in lengths), cols=width)
    for kind, part in ((nodes.thead, found.find("thead")), (nodes.tbody, found.find("tbody"))):
        rows = [nodes.row("", *map(_entry, row.find_all(["th", "td"]))) for row in part.find_all("tr")]
        group += kind("", *rows)
    return nodes.table("", group, classes=["longtable", "colwidths-given"] if sum(lengths) > LONG else [])


def _entry(cell):
    spans = {"morecols": int(cell.get("colspan", 1)) - 1, "morerows": int(cell.get("rowspan", 1)) - 1}
    given = {name: more for name, more in spans.items() if more}
    return nodes.entry("", nodes.paragraph("", cell.get_text(" ", strip=True)), **given)


# --- the API reference


def docstring(app, what, name, obj, options, lines):
    """Turn a numpydoc docstring into reStructuredText."""
    if what not in ("data", "attribute", "property"):  # theirs are one line, and its colon separates no type
        lines[:] = NumpyDocstring(lines, NUMPYDOC, app, what, name, obj, options).lines()
    text = "\n".join(lines)
    for pattern, replacement in REWRITTEN:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    lines[:] = text.split("\n")


def signature(app, what, name, obj, options, text, annotation):
    """Give a Keras layer the signature of its ``__init__``: its ``__new__`` takes anything."""
    if what == "class" and text == "(*args, **kwargs)":
        parameters = list(inspect.signature(obj.__init__).parameters.values())[1:]
        return str(inspect.Signature(parameters)), annotation
    return None


def reference(app, env, node, contnode):
    """Link a name in a docstring that the module it stands in does not have, if only one thing in the package has it.

    The words of a type ("sequence of float, length n") and the names of arguments are no references: they stay text.
    """
    if node.get("refdomain") != "py" or node["reftype"] not in ("class", "obj"):
        return None
    target = node["reftarget"]
    if target[:1].isupper() or "." in target:
        found = env.domains["py"].find_obj(env, node.get("py:module"), node.get("py:class"), target, None, 1)
        if len(found) == 1:
            name, entry = found[0]
            return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, contnode, name)
    return contnode


# --- events


def on_config(app, config):
    """Bring the execution cache up to date, hand figures and tables to the text, and unplug sphinx-thebe."""
    cache = app.outdir.parent / ".jupyter_cache"
    refresh_cache(cache, config.sermodules_inputs)
    toc = yaml.safe_load((Path(app.srcdir) / "_toc.yml").read_text(encoding="utf-8"))
    named = [toc["root"], *(chapter["file"] for part in toc.get("parts", []) for chapter in part["chapters"])]
    chapters = [path for name in named if (path := Path(app.srcdir) / f"{name}.ipynb").is_file()]
    execute_ahead(cache, chapters, config.nb_execution_timeout)
    address = config.html_theme_options.get("repository_url") or ""
    launch_buttons(config.html_theme_options, address)
    config.version = importlib.metadata.version("sermodules")
    config.html_static_path = [*config.html_static_path, str(PLAYER_STYLE)]
    studies = published_studies(app.srcdir)
    config.myst_substitutions = {
        **config.myst_substitutions,
        **paper_figures(),
        **our_figures(studies, app.srcdir),
        **reading_figures(studies),
        **level_figures(studies),
        **choice_figures(app.srcdir),
        **seen_figures(studies, app.srcdir),
        **repetition(app.srcdir),
        **versions(app.srcdir),
        **commands(),
        **build_commit(app.srcdir),
        **run_times(studies),
        **run_commits(studies),
        **iemocap_cost(app.srcdir),
        **benchmark_tables(app.srcdir),
        **precision_effect(studies),
        **chapter_times(cache, chapters, app.srcdir),
        **elsewhere(address),
    }
    for listeners in app.events.listeners.values():
        for listener in list(listeners):
            if listener.handler.__module__ == "sphinx_thebe" and listener.handler.__name__ in THEBE:
                app.disconnect(listener.id)


def on_builder(app):
    """Copy myst-nb's style now: myst-nb does so when the EPUB is packed already."""
    if app.builder.name == "epub":
        (app.outdir / "_static").mkdir(exist_ok=True)
        add_global_html_resources(app, None)


def on_page(app, pagename, templatename, context, doctree):
    """Mend the lists of a page."""
    for pattern, replacement in MENDED if "body" in context else ():
        context["body"] = re.sub(pattern, replacement, context["body"], flags=re.MULTILINE)


def on_finish(app, exception):
    """Copy MathJax into the pages, and finish the downloads."""
    if exception is not None or app.builder.name != "html":
        return
    address = app.config.html_theme_options.get("repository_url") or ""
    explain_copies(app.outdir / "_sources", address, app.outdir.parent / ".jupyter_cache")
    source = Path(importlib.resources.files("sphinx-mathjax-offline")) / "static" / "mathjax"
    for name in MATHJAX:
        target = app.outdir / "_static" / "mathjax" / name
        copy_asset(source / name, target.parent if (source / name).is_file() else target)


def setup(app):
    """Register the extension; Sphinx reads every page anew when the inputs have changed."""
    app.add_config_value("sermodules_inputs", inputs_digest(app.srcdir), "env", types=[str])
    app.add_config_value("epub_math_renderer", "mathml", "epub", types=[str])
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))
    app.add_post_transform(WithoutScripts)
    app.add_post_transform(WithoutObjects)
    app.add_post_transform(PrintedTables)
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", docstring)
    app.connect("autodoc-process-signature", signature)
    app.connect("missing-reference", reference)
    app.connect("config-inited", on_config)
    app.connect("builder-inited", on_builder)
    app.connect("html-page-context", on_page)
    app.connect("build-finished", on_finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
