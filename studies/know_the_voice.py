"""What knowing a voice is worth to an SVM, from how many recordings and of which.

    SERMODULES_DATA=... python studies/know_the_voice.py choose results/voices
    SERMODULES_DATA=... python studies/know_the_voice.py run results/voices

CREMA-D, the ten groups of speakers of seed 1, eGeMAPS. `choose` writes `choice.csv`: the validation UAR by feature set,
kernel and C, plain and with `standardise: speaker`, on two groups that seed 101 draws and no study tests. `run` writes
`confusions.csv.gz`: a row a condition, form, draw, speaker and true class, with how often each class was said.

Each speaker's sentences are cut into halves, by the draw's seed. What is known of a voice comes from one half, scored is
the other, then the other way round: every recording is scored once a draw, and none has told anything about itself. A
condition says what is known:

- `plain`: nothing. All speakers are standardised by the training speakers;
- `speaker`, `shrunk`: 1, 2, 5, 10 or 20 recordings at random (`any`), or six of which 6, 4, 2 or 0 are neutral, or six
  angry; of `shrunk` only the first;
- `centre`: 1, 2, 3 or 6 neutral recordings, as somebody could read them beforehand. See `sermodules.folds.voices`;
- `half`: `speaker`, from the whole other half; `another`: from the half of another tested speaker of the same sex; `sex`:
  from all recordings of the training speakers of that sex;
- `everything`: `speaker`, from all 54 recordings, those that are scored among them. It is transductive;
- `balanced`: nothing is known, but each speaker's answers are made equal in number for the four classes.

There are two forms. In `own` the training speakers have statistics from all of their recordings. In `matched` theirs are
drawn by the same rule as those of a new speaker, from the half that a recording is not in; only the difference of two
`matched` conditions is what fewer recordings cost. There are twenty draws; within a speaker they are averaged before
anything is tested.

Written down before the runs, UAR in %, mean of 91 speakers. plain 68 to 71. everything 79 to 81, half a point less. speaker
any, matched: 1: 55 to 65, 2: 62, 5: 68, 10: 73, 20: 77; own: lower by 5 to 15 up to five recordings. shrunk, matched: above
plain from one recording on, 70, and 77 with 20. Mixtures: the more they differ from equal classes the worse, six angry
below 60. centre, matched: 1: 69, 2: 73, 3: 75, 6: 76. another: below plain. sex: 2 to 3 above plain. balanced: 2 to 3 above
plain. So most of the gain is the voice and not the gift of equal classes, and three neutral sentences give at least half of
it. Primary contrast: centre with three neutral recordings, matched, minus plain; above 0.

What came out: not run yet.
"""

import itertools
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.special import log_softmax
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sermodules import corpora, models, runs
from sermodules.config import RunConfig
from sermodules.folds import protocol, voices
from sermodules.runs import provenance

DRAWS = 20
SETTINGS = {"corpus": "cremad", "groups": 10, "preset": "teaching"}
ANY = [("any", count) for count in (1, 2, 5, 10, 20)]
MIXED = [(f"neutral {count} of 6", 6) for count in (6, 4, 2, 0)] + [("angry", 6)]
NEUTRAL = [("neutral", count) for count in (1, 2, 3, 6)]
#: (kind of `voices.Voices`, rule, count) of what is known from few recordings.
FEW = (
    [("speaker", *rule) for rule in ANY + MIXED]
    + [("shrunk", *rule) for rule in ANY]
    + [("centre", *rule) for rule in NEUTRAL]
)
#: Feature set, kernel and values of C among which `choose` looks.
TRIED = [
    ("svm_egemaps", "linear", (0.001, 0.01, 0.1)),
    ("svm_egemaps", "rbf", (0.3, 1.0, 3.0, 10.0)),
    ("svm_compare", "linear", (0.0001, 0.001, 0.01)),
    ("svm_compare", "rbf", (1.0, 3.0, 10.0)),
]
#: What `choose` found to be best for eGeMAPS with `standardise: speaker`.
MACHINE = {"kernel": "rbf", "C": 1.0}


def choose(to):
    """Write the validation UAR of each feature set, kernel and C."""
    rows = []
    for (model, kernel, costs), standardise in itertools.product(TRIED, ("band", "speaker")):
        for cost, number in itertools.product(costs, (1, 2)):
            config = RunConfig.create(
                **SETTINGS,
                model=model,
                seed=101,
                fold=number,
                standardise=standardise,
                svm_kernel=kernel,
                svm_cost=cost,
            )
            data = runs.prepare(config)
            fitted = runs.fit(models.build(config, len(data.classes)), data, config, verbose=False)
            uar = 100 * fitted.history["val_uar"].iloc[0]
            rows.append(
                {"model": model, "kernel": kernel, "C": cost, "standardise": standardise, "fold": number, "uar": uar}
            )
            print(rows[-1], flush=True)
    pd.DataFrame(rows).to_csv(to / "choice.csv", index=False, float_format="%.4f")


def known_of(names, emotions, rule, count, seed):
    """Draw the recordings from which a speaker is known.

    Parameters
    ----------
    names : list of str
        Of one speaker and one half.
    emotions : dict of str to str
    rule : str
        See `FEW`.
    count, seed : int
    """
    neutral = [name for name in names if emotions[name] == "neutral"]
    if rule == "any":
        return voices.draw(names, count, seed)
    if rule == "neutral":
        return voices.draw(neutral, count, seed)
    if rule == "angry":
        return voices.draw([name for name in names if emotions[name] == "angry"], count, seed)
    many = int(rule.split()[1])
    others = [name for name in names if emotions[name] != "neutral"]
    return voices.draw(neutral, many, seed) + voices.draw(others, count - many, seed)


class Corpus:
    """CREMA-D's functionals, and who said which sentence."""

    def __init__(self):
        config = RunConfig.create(**SETTINGS, model="svm_egemaps", seed=1)
        self.table = corpora.load(**config.reading)
        self.folds = protocol.folds(self.table, **config.division)
        data = runs.prepare(config, self.table, self.folds[0])
        self.classes = data.classes
        rows = {
            name: row
            for part in (data.train, data.validation, data.test)
            for name, row in zip(part.segments["utterance"], part.inputs["functionals"], strict=True)
        }
        self.values = np.stack([rows[name] for name in self.table["utterance"]]).astype(np.float64)
        self.moments = voices.Moments(np.ones(len(self.values)), self.values, self.values**2)
        self.names = self.table["utterance"].to_numpy()
        self.place = {name: place for place, name in enumerate(self.names)}
        self.speakers = self.table["speaker"].to_numpy()
        self.genders = dict(zip(self.speakers, self.table["gender"], strict=True))
        self.emotions = dict(zip(self.names, self.table["emotion"], strict=True))
        self.labels = self.table["emotion"].map(self.classes.index).to_numpy()
        self.sentences = self.table["utterance"].str.split("_").str[1].to_numpy()

    def of(self, speakers):
        """Return the places of the recordings of some speakers."""
        return np.flatnonzero(np.isin(self.speakers, list(speakers)))

    def halves(self, seed):
        """Return for each recording whether its sentence is in the speaker's first half."""
        first = np.zeros(len(self.names), bool)
        for speaker in np.unique(self.speakers):
            mine = self.speakers == speaker
            first[mine] = np.isin(self.sentences[mine], list(voices.halves(self.sentences[mine], speaker, seed)))
        return first

    def known(self, kind, rule, count, first, seed):
        """Return for each speaker and half the places of the recordings from which it is known: those of the *other* half."""
        found = {}
        for speaker in np.unique(self.speakers):
            mine = self.speakers == speaker
            for half in (True, False):
                names = list(self.names[mine & (first != half)])
                drawn = names if rule == "all" else known_of(names, self.emotions, rule, count, seed)
                found[speaker, half] = np.array([self.place[name] for name in drawn])
        return found

    def everything(self, kind):
        """Return for each speaker the places of all recordings; of the kind "centre", of all neutral ones."""
        found = {}
        for speaker in np.unique(self.speakers):
            mine = (self.speakers == speaker) & ((kind != "centre") | (self.table["emotion"] == "neutral").to_numpy())
            found[speaker, True] = found[speaker, False] = np.flatnonzero(mine)
        return found


def standardised(corpus, learned, known, rows, first):
    """Return the functionals of some recordings, each standardised by what is known of its speaker."""
    statistics = {}
    result = np.empty((len(rows), corpus.values.shape[1]))
    for place, row in enumerate(rows):
        key = corpus.speakers[row], bool(first[row])
        if key not in statistics:
            statistics[key] = learned.statistics(corpus.moments[known[key]])
        mean, sd = statistics[key]
        result[place] = (corpus.values[row] - mean) / sd
    return result


def machine():
    """Return the SVM, not fitted."""
    return SVC(kernel=MACHINE["kernel"], C=MACHINE["C"], class_weight="balanced")


def learn(corpus, kind, known, rows, first):
    """Return what the training speakers say of voices, and an SVM that has learned from them."""
    learned = voices.Voices.learn(
        kind,
        corpus.moments[rows],
        corpus.speakers[rows],
        _inside(rows, [known[corpus.speakers[row], bool(first[row])] for row in rows]),
    )
    return learned, machine().fit(standardised(corpus, learned, known, rows, first), corpus.labels[rows])


def _inside(rows, known):
    """Return places among all recordings as places among some; equal ones stay one object."""
    inside = {row: place for place, row in enumerate(rows)}
    made = {id(which): np.array([inside[row] for row in which]) for which in known}
    return [made[id(which)] for which in known]


def balanced(values):
    """Give each recording of a speaker a class, all classes equally often: the likeliest such answers, after `log_softmax`."""
    count, classes = values.shape
    seats = np.arange(count) % classes
    rows, columns = linear_sum_assignment(-log_softmax(values, axis=1)[:, seats])
    return seats[columns[np.argsort(rows)]]


def confusions(corpus, rows, said, **about):
    """Count what was said, a row a speaker and true class."""
    frame = pd.DataFrame({"speaker": corpus.speakers[rows], "true": corpus.labels[rows], "said": said})
    counts = frame.groupby(["speaker", "true"])["said"].value_counts().unstack(fill_value=0)
    counts = (
        counts.reindex(columns=range(len(corpus.classes)), fill_value=0).set_axis(corpus.classes, axis=1).reset_index()
    )
    return counts.assign(true=[corpus.classes[place] for place in counts["true"]], **about)


def of_fold(corpus, fold):
    """Do all conditions on one group of speakers."""
    train, test = corpus.of(fold.train), corpus.of(fold.test)
    whole = np.zeros(len(corpus.names), bool)
    about = {"form": "own", "draw": 0, "count": 0, "rule": ""}

    scaler = StandardScaler().fit(corpus.values[train])
    plain = machine().fit(scaler.transform(corpus.values[train]), corpus.labels[train])
    scaled = scaler.transform(corpus.values[test])
    yield confusions(corpus, test, plain.predict(scaled), condition="plain", **about)
    forced = np.empty(len(test), int)
    for speaker in fold.test:
        mine = corpus.speakers[test] == speaker
        forced[mine] = balanced(plain.decision_function(scaled[mine]))
    yield confusions(corpus, test, forced, condition="balanced", **about)

    own = {kind: learn(corpus, kind, corpus.everything(kind), train, whole) for kind in ("speaker", "shrunk", "centre")}
    learned, svm = own["speaker"]
    everything = corpus.everything("speaker")
    yield confusions(
        corpus,
        test,
        svm.predict(standardised(corpus, learned, everything, test, whole)),
        condition="everything",
        **about,
    )
    alike = {sex: corpus.of([who for who in fold.train if corpus.genders[who] == sex]) for sex in ("female", "male")}
    by_sex = {(who, half): alike[corpus.genders[who]] for who in fold.test for half in (True, False)}
    yield confusions(
        corpus, test, svm.predict(standardised(corpus, learned, by_sex, test, whole)), condition="sex", **about
    )

    for draw in range(1, DRAWS + 1):
        first = corpus.halves(draw)
        about = {"form": "own", "draw": draw}
        half = corpus.known("speaker", "all", 0, first, draw)
        for name, known in (("half", half), ("another", _exchanged(corpus, half, fold.test, draw))):
            said = svm.predict(standardised(corpus, learned, known, test, first))
            yield confusions(corpus, test, said, condition=name, rule="", count=0, **about)
        matched, matched_svm = learn(corpus, "speaker", half, train, first)
        said = matched_svm.predict(standardised(corpus, matched, half, test, first))
        yield confusions(corpus, test, said, condition="half", rule="", count=0, form="matched", draw=draw)
        for kind, rule, count in FEW:
            known = corpus.known(kind, rule, count, first, draw)
            of = {"condition": kind, "rule": rule, "count": count, "draw": draw}
            said = own[kind][1].predict(standardised(corpus, own[kind][0], known, test, first))
            yield confusions(corpus, test, said, form="own", **of)
            matched, matched_svm = learn(corpus, kind, known, train, first)
            said = matched_svm.predict(standardised(corpus, matched, known, test, first))
            yield confusions(corpus, test, said, form="matched", **of)


def _exchanged(corpus, known, speakers, seed):
    """Return what is known of another speaker of the same sex in place of each one: the next in an order that is drawn."""
    found = {}
    for sex in ("female", "male"):
        order = voices.draw([who for who in speakers if corpus.genders[who] == sex], len(speakers), seed)
        for who, other in zip(order, order[1:] + order[:1], strict=True):
            for half in (True, False):
                found[who, half] = known[other, half]
    return found


def run(to):
    """Do all conditions, a file a group, and put them together."""
    corpus = Corpus()
    for fold in corpus.folds:
        path = to / f"group-{fold.number:02d}.csv.gz"
        if not path.exists():
            pd.concat(of_fold(corpus, fold)).to_csv(path, index=False, compression={"method": "gzip", "mtime": 0})
        print(f"group {fold.number} of {len(corpus.folds)} is done", flush=True)
    parts = sorted(to.glob("group-*.csv.gz"))
    found = pd.concat([pd.read_csv(path, keep_default_na=False) for path in parts])
    found.to_csv(to / "confusions.csv.gz", index=False, compression={"method": "gzip", "mtime": 0})
    made = provenance.collect("opensmile") | {"corpus_digest": corpora.digest(corpus.table), "machine": MACHINE}
    (to / "made.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    (to / "ATTRIBUTION.txt").write_text(corpora.attribution(["cremad"]), encoding="utf-8")
    for path in parts:
        path.unlink()
    print(summary(found, corpus.classes).round(1).to_string(index=False))


def summary(found, classes):
    """Return the UAR of each condition: within a speaker draws first, then speakers."""
    key = ["condition", "rule", "count", "form"]
    counts = found[classes].to_numpy()
    right = counts[np.arange(len(found)), [classes.index(name) for name in found["true"]]]
    scored = found[[*key, "speaker", "draw"]].assign(uar=100 * right / counts.sum(axis=1))
    of_draws = scored.groupby([*key, "speaker", "draw"], as_index=False)["uar"].mean()
    of_speakers = of_draws.groupby([*key, "speaker"], as_index=False)["uar"].mean()
    return of_speakers.groupby(key, as_index=False)["uar"].mean()


if __name__ == "__main__":
    warnings.filterwarnings("ignore", "cremad: 3 of 4900 recordings are left out")
    what, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    {"choose": choose, "run": run}[what](folder)
