"""What listeners answered, and an SVM that knows neither the speaker nor the sentence: what chapter "What people hear" reads.

    SERMODULES_DATA=... python studies/what_people_hear.py answers results/people
    SERMODULES_DATA=... python studies/what_people_hear.py sentences results/people

`answers` trains nothing and takes seconds. It writes `cremad-answers.csv.gz`, a row a recording of the four classes: what was
asked, and how many people chose which of six emotions. `emodb-listeners.csv`: the shares of listeners who recognised each of
the 477 recordings of the four classes that were made, 339 of them published. `ATTRIBUTION.txt`: what CREMA-D's licence asks
for. `answers.json`: of which recordings and listeners' files, with what, when and where.

Written down before the answers were counted in these ways (how often one listener is right was known, 55.7 % among the four):
the majority is right in 3 points more than one listener, because it gains in *angry* and loses in *sad*. Recordings of which
half of all listeners got the emotion give one listener 80 to 88 %, those of 80 % give 92 to 96. If half of the listeners
choose and the others are scored, it is 70 to 76 and 76 to 82: the rest was luck of the answers. Recognised are *angry* by 40
points more, *happy* and *sad* by 20 more, where the actor was asked for high intensity instead of low.

What came out (chapter "What people hear" has the intervals): the majority is right in 1 point more only, because *happy*
loses too. 81 and 95 % for the listeners who chose, 70 and 80 % for the others. *Angry* gains 59 points with the intensity,
*happy* 19, *sad* 11.

`sentences` writes `sentences.csv.gz`: what an SVM predicts on CREMA-D when it has or has not learned from the tested sentence,
other speakers' of course. `sentences.json`: with what, when and where.

CREMA-D has twelve sentences. They are cut into three groups of four, drawn by the seed. The speakers are left out in the ten
groups of the study. For each group of speakers and each group of sentences there are three trainings:

- `unheard`: the eight other sentences;
- `heard`: the four tested sentences and four others, so as many as `unheard`;
- `all`: all twelve.

Written down before the runs: `unheard` is below `heard`, by 1 to 4 points, and an interval over the 91 speakers leaves out
zero. A system that people are compared with has then a gift that they do not have, and the gift is small beside the
distance from one listener (55.7 %) to the SVM (about 70).

What came out: not run yet.
"""

import json
import sys
import warnings
from pathlib import Path

import pandas as pd

from sermodules import corpora, models, runs
from sermodules.config import RunConfig
from sermodules.corpora import emodb, hearing
from sermodules.errors import CorpusError
from sermodules.folds import protocol, voices
from sermodules.folds.parts import Part
from sermodules.runs import provenance

SEED = 1
MODELS = ("svm_egemaps", "svm_compare")
GZIP = {"method": "gzip", "mtime": 0}


def answers():
    """Return what people chose, a row a recording of CREMA-D."""
    table = corpora.load("cremad")
    about = table[["utterance", "speaker", "gender", "emotion", "level"]].set_index("utterance")
    return about.rename(columns={"emotion": "asked"}).join(hearing.answers(table, "cremad"))


def recognised():
    """Return the shares of EMO-DB's listeners, a row a recording of the four classes that was made."""
    made = emodb.listeners(folder := corpora.find("emodb"))
    if made is None:
        raise CorpusError(f"EMO-DB in {folder}: there is no erkennung.txt, in which its listeners stand. {emodb.GET}")
    made = made[made["emotion"].isin(corpora.FOUR)]
    return made.assign(published=made.index.isin(corpora.load("emodb")["utterance"]))


def subset(part, rows):
    """Return some rows of a part, of which each is an utterance."""
    inputs = {name: values[rows] for name, values in part.inputs.items()}
    return Part(part.table[rows], part.segments[rows], inputs, part.labels[rows])


def thirds(sentences):
    """Return the three groups of sentences."""
    order = voices.draw({*sentences}, len({*sentences}), SEED)
    return [order[place::3] for place in range(3)]


def learned_from(kind, tested, groups):
    """Return the sentences that a training hears."""
    others = [name for group in groups if group is not tested for name in group]
    return {"unheard": others, "heard": [*tested, *others[: len(tested)]], "all": [*tested, *others]}[kind]


def without_sentences(model):
    """Return what an SVM predicts, a row a recording and kind of training."""
    config = RunConfig.create(corpus="cremad", model=model, groups=10, seed=SEED, preset="teaching")
    table = corpora.load(**config.reading)
    sentences = table["utterance"].str.split("_").str[1]
    groups, found = thirds(sentences), []
    for fold in protocol.folds(table, **config.division):
        data = runs.prepare(config, table, fold)
        said = {
            name: getattr(data, name).table["utterance"].str.split("_").str[1].to_numpy() for name in ("train", "test")
        }
        for tested in groups:
            test = subset(data.test, pd.Series(said["test"]).isin(tested).to_numpy())
            for kind in ("unheard", "heard", "all"):
                rows = pd.Series(said["train"]).isin(learned_from(kind, tested, groups)).to_numpy()
                method = models.build(config, len(data.classes))
                part = subset(data.train, rows)
                runs.fit(
                    method, type(data)(fold, data.classes, part, part, test, data.corpus_digest), config, verbose=False
                )
                predictions, _ = models.predict(method, test, data.classes)
                found.append(
                    predictions[["utterance", "speaker", "true", "predicted"]].assign(model=model, learned=kind)
                )
        print(f"{model}: group {fold.number} of {config.groups} is done", flush=True)
    return pd.concat(found)


def write_answers(to):
    """Write what people chose."""
    answers().to_csv(to / "cremad-answers.csv.gz", compression=GZIP)
    recognised().to_csv(to / "emodb-listeners.csv", float_format="%.2f")
    (to / "ATTRIBUTION.txt").write_text(corpora.attribution(["cremad"]), encoding="utf-8")
    of = {name: corpora.digest(corpora.load(name)) for name in ("cremad", "emodb")}
    write_made(to / "answers.json", {"corpus_digests": of})


def write_sentences(to):
    """Write what the SVMs predict."""
    found = pd.concat([without_sentences(model) for model in MODELS])
    found.to_csv(to / "sentences.csv.gz", index=False, compression=GZIP)
    write_made(
        to / "sentences.json", {"corpus_digests": {"cremad": corpora.digest(corpora.load("cremad"))}}, "opensmile"
    )


def write_made(path, of, *packages):
    """Write of what, with what, when and where files were made."""
    path.write_text(json.dumps(provenance.collect(*packages) | of, indent=1) + "\n", encoding="utf-8")


JOBS = {"answers": write_answers, "sentences": write_sentences}


def main(job, to):
    """Write the files of a job."""
    warnings.filterwarnings("ignore", "cremad: 3 of 4900 recordings are left out")
    to = Path(to)
    to.mkdir(parents=True, exist_ok=True)
    JOBS[job](to)


if __name__ == "__main__":
    main(*sys.argv[1:])
