"""Make the models of the page "Try it": published runs are done again, their models are kept and rounded to half precision.

    SERMODULES_DATA=... python studies/make_page_models.py results/emodb-teaching [results/OTHER ...]

Models 1 and 2 on EMO-DB at preset `teaching`, without and with gender, and Model 2 standardised by speaker; each of fold 1 and
seed 1, which nobody chose by its score. The run is looked for in the published studies, and must give their predictions again:
the same classes, and posteriors within 1e-4. So it needs the versions and the kind of machine of these runs.

--unpublished NAME makes a model of a run that stands in none of the studies, with today's settings, and says so on its card:
`--unpublished voice`. It may be given several times.
--runs FOLDER keeps the runs; what is done there is not done again. --to FOLDER is `results/try-it` unless given.

The folder gets a file of arrays and a card a model, and `models.json`: configuration, digest, the published study, what
rounding changed on the recordings of the test speaker, and how often the model was right.
"""

from pathlib import Path

import click
import numpy as np

from sermodules import corpora, features, inference, models, paths, runs
from sermodules.config import RunConfig
from sermodules.errors import SermodulesError
from sermodules.folds import segments
from sermodules.inference import rounded
from sermodules.metrics import posterior_columns, summarise
from sermodules.runs import store
from sermodules.study import published

#: What all models share.
SHARED = {"corpus": "emodb", "preset": "teaching", "fold": 1, "seed": 1}
#: What tells them apart, by the names that the page uses.
CELLS = {
    "model1-none": {"model": "model1", "gender": "none"},
    "model1-embedding": {"model": "model1", "gender": "embedding"},
    "model2-none": {"model": "model2", "gender": "none"},
    "model2-embedding": {"model": "model2", "gender": "embedding"},
    "voice": {"model": "model2", "gender": "none", "standardise": "speaker", "padding": "after"},
}
#: By how much a posterior may differ from the published one.
TOLERANCE = 1e-4
#: Neutral sentences from which the page knows a voice.
ENROLLED = 3


def chosen(cell, studies):
    """Return the configuration of a cell, the published run and the study's name; None twice if it is published nowhere."""
    config = RunConfig.create(**SHARED, **cell)
    for name, results in studies.items():
        for result in results:
            if result.config in (config, config.before_added()):
                return result.config, result, name
    return config, None, None


def done(config, folder):
    """Do a run with its model, unless it is done; return its folder."""
    target = Path(folder) / config.run_id
    if not (store.is_done(target) and store.has_model(target)):
        runs.run(config, folder, keep=inference.keep)
    return target


def check_same(result, again):
    """Raise unless a run gave the published predictions."""
    ours, theirs = (one.predictions.set_index("utterance") for one in (again, result))
    columns = posterior_columns(result.metrics["classes"])
    ours = ours.reindex(theirs.index)
    off = float(np.abs(ours[columns].to_numpy() - theirs[columns].to_numpy()).max())
    if not (off <= TOLERANCE and (ours["predicted"] == theirs["predicted"]).all()):
        raise SermodulesError(
            f"{result.config.run_id}: the predictions are not the published ones (a posterior differs by {off:.2g}). Use the"
            " commit, the versions and the kind of machine that results/ names, or publish the study again."
        )


def posteriors(method, part):
    """Return the posteriors of the utterances of a part, (utterances, classes)."""
    return segments.pool(models.logits(method, part), part.segments["utterance"], "max")[1]


def effect(kept, small, part):
    """Say what rounding changed on the recordings of a part."""
    before, after = posteriors(kept.method, part), posteriors(small.method(), part)
    changed = int((before.argmax(axis=1) != after.argmax(axis=1)).sum())
    return {"recordings": len(before), "largest": float(np.abs(before - after).max()), "changed": changed}


def knowing_the_voice(small, table):
    """Return the UAR on a speaker's recordings by what the model knows of the voice; the enrolled sentences are not tested."""
    extracted = features.extract(table, **small.config.extraction)
    neutral = table.loc[table["emotion"] == "neutral", "utterance"].iloc[:ENROLLED]
    tested = table[~table["utterance"].isin(neutral)].reset_index(drop=True)
    cut = segments.cut(tested, extracted.frames)
    method, classes = small.method(), small.classes
    known = {
        "everything": {name: list(table["utterance"]) for name in tested["utterance"]},
        "neutral": {name: list(neutral) for name in tested["utterance"]},
        "alone": {name: [name] for name in tested["utterance"]},
    }
    found = {"recordings": len(tested)}
    for what, by in known.items():
        rows = cut.assign(speaker=cut["utterance"])  # each utterance has statistics of its own
        statistics = {
            name: segments.SpeakerStandardiser.fit(
                extracted, table[table["utterance"].isin(heard)].assign(speaker=name)
            )
            for name, heard in by.items()
        }
        standardiser = segments.SpeakerStandardiser({name: one.of(name) for name, one in statistics.items()})
        x = segments.gather(extracted, rows, standardiser, small.config.padding)
        logits = method.network.predict({"log_mel": x}, verbose=0)
        said = [classes[place] for place in segments.pool(logits, rows["utterance"])[1].argmax(axis=1)]
        found[what] = summarise(tested["emotion"], said, classes)["uar"]
    return found


def card(folder, small):
    """Return the card of a rounded model: that of the run, and what the rounding did."""
    facts = small.facts
    origin = f"the published study `{facts['published']}`" if facts["published"] else "**no published study**"
    text = (Path(folder) / "model_card.md").read_text(encoding="utf-8").partition("## How to ask it")[0]
    corpus, rounding = corpora.CORPORA[small.config.corpus], facts["rounding"]
    return (
        text
        + f"""## For the page

The page "Try it" of the book computes this model in the browser, from weights that were rounded to half precision. The run
stands in {origin}. On the {rounding["recordings"]} recordings of the test speaker the rounding moves a posterior by at most
{rounding["largest"]:.2g} and changes {rounding["changed"]} answers.

Digest of the rounded weights: `{small.digest[:16]}`. Their licence is that of the recordings, {corpus.licence}:
{corpus.title}, <{corpus.source}>.
"""
    )


def make(name, studies, folder, unpublished):
    """Make one model; return it and its card."""
    config, result, study = chosen(CELLS[name], studies)
    if result is None and name not in unpublished:
        raise SermodulesError(
            f"no study that you name has the run of {name}. Name one that has it, or say --unpublished {name}."
        )
    target = done(config, folder)
    again = store.load(target)
    if result is not None:
        check_same(result, again)
    kept = inference.load(target)
    table = corpora.load(**config.reading)
    own = table[table["speaker"] == again.metrics["test_speaker"]].reset_index(drop=True)
    small = rounded.of(kept)
    part = models.resolve(config.model).part(config, own, small.classes, small.standardiser)
    small.facts.update(
        run=config.run_id, published=study, rounding=effect(kept, small, part), n=again.metrics["n"],
        uar=again.metrics["uar"], wa=again.metrics["wa"],
    )  # fmt: skip
    if config.standardise == "speaker":
        small.facts["voice"] = knowing_the_voice(small, own)
    return small, card(target, small)


@click.command(help=__doc__)
@click.argument("results", nargs=-1, type=click.Path(path_type=Path))
@click.option("--unpublished", multiple=True, type=click.Choice(list(CELLS)))
@click.option("--runs", "folder", type=click.Path(path_type=Path), default=paths.runs_root() / "page")
@click.option("--to", type=click.Path(path_type=Path), default=paths.project_root() / "results" / "try-it")
def main(results, unpublished, folder, to):
    """Make all models and write them."""
    studies = {path.name: published.load(path) for path in results}
    made = {name: make(name, studies, folder, unpublished) for name in CELLS}
    rounded.write(
        {name: small for name, (small, _) in made.items()}, to, {name: text for name, (_, text) in made.items()}
    )
    for name, (small, _) in made.items():
        print(name, small.facts)


if __name__ == "__main__":
    main()
