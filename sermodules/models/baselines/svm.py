"""A linear support vector machine on openSMILE's functionals: the field's conventional yardstick."""

import time

import numpy as np
import pandas as pd

from sermodules import corpora
from sermodules.errors import TrainingError
from sermodules.features import vectors
from sermodules.features.functionals import FEATURE_SETS, functionals, opensmile_version
from sermodules.folds.parts import PARTS, FoldData, Part, class_indices, split, whole_utterances
from sermodules.models import estimators
from sermodules.models.method import Method, without_epochs

#: Logit of a class without training utterances. The class that is predicted has a logit of 0 at least.
UNLEARNED = float(np.log(1e-6))


def by_speaker(values, speakers):
    """Bring the functionals of each speaker to zero mean and unit variance: the SVMs' ``standardise="speaker"``.

    **It is transductive**: the test speaker's own recordings, without their labels, are used before the first is judged. The
    paper's protocol, which learns from the training speakers alone, forbids it.

    See chapter "Baselines".

    Parameters
    ----------
    values : pandas.DataFrame, shape (utterances, functionals)
    speakers : sequence of str, one an utterance

    Returns
    -------
    pandas.DataFrame of float32
        The same rows and columns, each speaker by mean and SD of their own rows. A functional that is the same in all of a
        speaker's rows becomes zero, so all do of a speaker with one utterance. No other speaker matters.

    Examples
    --------
    >>> import pandas as pd
    >>> from sermodules.models.baselines import svm
    >>> values = pd.DataFrame({"f0": [100.0, 140.0, 210.0, 250.0, 250.0]}, index=list("abcde"))
    >>> svm.by_speaker(values, ["M1", "M1", "F1", "F1", "F2"])["f0"].tolist()
    [-1.0, 1.0, -1.0, 1.0, 0.0]
    """
    from sklearn.preprocessing import StandardScaler

    result = values.sort_index().astype(np.float64)
    mine = pd.Series(np.asarray(speakers), values.index).loc[result.index]
    for rows in result.groupby(mine.to_numpy()).indices.values():
        result.iloc[rows] = StandardScaler().fit_transform(result.iloc[rows])
    return result.loc[values.index].astype(np.float32)


class _FunctionalsSvm(Method):
    """Standardised functionals and a linear SVM, one against one; see `SvmCompare`.

    Attributes
    ----------
    machine : sklearn.pipeline.Pipeline
        A ``StandardScaler`` and an ``SVC``, after `fit`; with ``standardise="speaker"`` the ``SVC`` alone.
    """

    feature_set = None

    @classmethod
    def prepare(cls, config, table=None, fold=None):
        """Make the parts of a fold; see `Method.prepare`.

        The input is ``functionals`` (utterances, 6373 or 88) float32, not standardised yet, but with ``standardise="speaker"``
        (see `by_speaker`); there is a row an utterance. The notes hold ``opensmile_version``.
        """
        table, fold, classes, tables = split(config, table, fold)
        values = cls._values(config, table)
        parts = (_part(tables[name], values, classes) for name in PARTS)
        notes = {"opensmile_version": opensmile_version()}
        return FoldData(fold, classes, *parts, corpora.digest(table), notes=notes)

    @classmethod
    def part(cls, config, table, classes, standardiser=None):
        """Make a part of recordings; see `Method.part`."""
        return _part(table, cls._values(config, table), classes)

    @classmethod
    def _values(cls, config, table):
        values = functionals(table, cls.feature_set, config.level)
        return by_speaker(values, table["speaker"]) if config.standardise == "speaker" else values

    def fit(self, data, config, verbose=True, previous=None):
        """Standardise by the training utterances, unless each speaker was by their own, and separate each pair of classes.

        Raises
        ------
        TrainingError
            If the training speakers have one class only.
        """
        began = time.perf_counter()
        if len(present := np.unique(data.train.labels)) < 2:
            raise TrainingError(
                f"the training speakers of fold {data.fold.number} have only {data.classes[present[0]]} utterances:"
                " a support vector machine needs two classes. Use a corpus in which they have more."
            )
        self.machine = self._machine(config)
        self.machine.fit(_float64(data.train), data.train.labels)
        fitted = without_epochs(self, data, config, began)
        if verbose:
            seen = (
                f"  validation UAR {100 * fitted.history['val_uar'].iloc[0]:.1f} %"
                if len(data.validation.labels)
                else ""
            )
            count = len(self.machine[-1].support_)
            print(f"{count} support vectors of {len(data.train.labels)} training utterances{seen}")
        return fitted

    def _machine(self, config):
        """Make the steps, not fitted."""
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC

        scalers = [] if config.standardise == "speaker" else [StandardScaler()]
        machine = SVC(kernel=config.svm_kernel, C=config.svm_cost, class_weight="balanced")
        return make_pipeline(*scalers, machine)

    def _size(self):
        return FEATURE_SETS[self.feature_set]

    def learned(self):
        """Return what each step has learned; see `Method.learned`."""
        return {
            name: array
            for step, estimator in self.machine.steps
            for name, array in estimators.learned(estimator, step).items()
        }

    def restore(self, arrays):
        """Take back what `learned` returned."""
        self.machine = self._machine(self.config)
        for step, estimator in self.machine.steps:
            estimators.restore(estimator, step, arrays)

    def logits(self, part):
        """Return the decision values of each utterance, shape (n, classes); see `SvmCompare`."""
        x = _float64(part)
        decided = self.machine.predict(x)
        values = self.machine.decision_function(x)
        if values.ndim == 1:  # two classes: positive for the second
            values = np.stack([-values, values], axis=1) / 2
        column, rows = np.searchsorted(self.machine.classes_, decided), np.arange(len(values))
        best = values.argmax(axis=1)
        values[rows, best], values[rows, column] = values[rows, column], values[rows, best]
        result = np.full((len(values), self.classes), UNLEARNED)
        result[:, self.machine.classes_] = values
        return result

    def parameters(self):
        """Return one row: weights and offset of the linear function that separates each pair of classes.

        With ``svm_kernel="rbf"`` there are support vectors, their weights and the offsets instead; none before `fit`. Mean and
        SD of the functionals are not counted, as those of the log-Mels are not counted for the networks.
        """
        pairs = self.classes * (self.classes - 1) // 2
        if self.config.svm_kernel == "rbf":
            machine = self.machine[-1] if hasattr(self, "machine") else None
            kept = (machine.support_vectors_, machine.dual_coef_, machine.intercept_) if machine else ()
            rows = [("support vectors, weights and offsets", f"({pairs},)", sum(array.size for array in kept))]
            return pd.DataFrame(rows, columns=["layer", "output", "parameters"])
        count = pairs * (self._size() + 1)
        return pd.DataFrame(
            [("linear function a pair of classes", f"({pairs},)", count)], columns=["layer", "output", "parameters"]
        )


def _part(table, values, classes):
    """Gather the functionals of some utterances."""
    rows = whole_utterances(table)
    inputs = {"functionals": values.loc[rows["utterance"]].to_numpy()}
    return Part(table, rows, inputs, class_indices(rows, classes))


def _float64(part):
    return part.inputs["functionals"].astype(np.float64)


class SvmCompare(_FunctionalsSvm):
    """A linear SVM on the 6373 functionals of the set ComParE_2016, with C = 0.001 unless ``svm_cost`` says otherwise.

    The set: B. Schuller, S. Steidl, A. Batliner, J. Hirschberg, J. K. Burgoon, A. Baird, A. Elkins, Y. Zhang, E. Coutinho,
    K. Evanini, "The INTERSPEECH 2016 Computational Paralinguistics Challenge: Deception, Sincerity & Native Language",
    Proc. INTERSPEECH, 2016, pp. 2001-2005. The same functionals are described in F. Weninger, F. Eyben, B. W. Schuller,
    M. Mortillaro, K. R. Scherer, "On the acoustics of emotion in audio: what speech, music, and sound have in common",
    Frontiers in Psychology 4:292, 2013. The tool: F. Eyben, M. Wöllmer, B. Schuller, "openSMILE - the Munich versatile and
    fast open-source audio feature extractor", Proc. ACM Multimedia, 2010, pp. 1459-1462. The machine: C.-C. Chang, C.-J.
    Lin, "LIBSVM: a library for support vector machines", ACM TIST 2(3):27, 2011.

    Each functional gets zero mean and unit variance over the training utterances. A linear function separates each pair of
    classes (one against one), with errors weighted by n / (k n_class) so that classes count the same. An utterance goes to
    the class that wins most of its pairs. Nothing is chosen on the validation speaker, who is not learned from, so that all
    models learn from the same people. The seed means nothing: every seed gives the same result.

    Posteriors: they rank the classes, and **they are no calibrated probabilities**. A class's logit is scikit-learn's
    ``decision_function``: the number of pairs that it wins, plus or minus less than 1/3 by how clearly it wins and loses
    them. With four classes their softmax stays below 0.83, however clear the case. LIBSVM gives an utterance whose classes
    win equally many pairs to the first of them; the logits of the two classes are exchanged then, so that the class with the
    highest posterior is always the one that the SVM predicts. With two classes the logits are plus and minus half the
    decision value. A class without training utterances has the logit `UNLEARNED`.

    From the source: the set, with its number of functionals; a linear SVM; UAR as the measure.

    Open in the source, and what is done here:

    - C: the challenge chose it for each task on a development set (recalled, full text not at hand). Here it is 0.001
      for every corpus and fold.
    - Classes of unequal size: upsampling in the challenge's recipe (recalled). Weights do the same here without copies.
      With this C no multiplier reaches its bound on EMO-DB (leave one speaker out), so the weights change nothing there.
    - Standardising: by the training utterances. With ``standardise="speaker"`` each speaker by their own, see `by_speaker`: it
      uses the test speaker's own data, so it is another task.
    - One against one or one against the rest: the challenge's tool, Weka's SMO, does the former.
    - Kernel: linear, as in the challenge. ``svm_kernel="rbf"`` takes exp(-d^2 / (n v)) of the distance d of two utterances,
      with n functionals whose variance is v (scikit-learn's "scale").
    - Level: openSMILE gets each recording as loud as it was made, and most functionals depend on that. The networks' input is
      normalised, so they do not hear it. With ``level="equal"`` every recording has one root mean square, see
      `sermodules.features.functionals.at_level`.
    - Rate: always 16 kHz. Functionals of the same speech at 44.1 or 48 kHz are others, so figures of papers that keep the rate
      of their recordings are figures of other features.
    """

    feature_set = "ComParE_2016"


class SvmEgemaps(_FunctionalsSvm):
    """A linear SVM on the 88 functionals of the set eGeMAPSv02, with C = 0.01 unless ``svm_cost`` says otherwise.

    The set: F. Eyben, K. R. Scherer, B. W. Schuller, J. Sundberg, E. André, C. Busso, L. Y. Devillers, J. Epps, P. Laukka,
    S. S. Narayanan, K. P. Truong, "The Geneva Minimalistic Acoustic Parameter Set (GeMAPS) for voice research and affective
    computing", IEEE Trans. Affective Computing 7(2), 2016, pp. 190-202. Version 02 is openSMILE's revision of the extended
    set. For the machine, the posteriors and the tool see `SvmCompare`.

    From the source: the set, with its number of functionals; a linear SVM; UAR as the measure.

    Open in the source, and what is done here:

    - C: the source averages results over a range of values (recalled, full text not at hand). Here it is 0.01 for
      every corpus and fold.
    - Classes of unequal size: upsampled in the source (recalled), weighted here.
    - Standardising: the source compares several ways (recalled). Here: as for `SvmCompare`, and so are level and rate.
    """

    feature_set = "eGeMAPSv02"


class SvmVectors(_FunctionalsSvm):
    """A linear SVM on vectors that any other tool made, one an utterance, such as the mean of an encoder's last layer.

    The file that the setting ``vectors`` names holds them; see `sermodules.features.vectors.read`. Standardising, machine and
    posteriors are those of `SvmCompare`, so the vectors get the treatment of the other yardsticks: the same folds, no choice on
    any speaker, the same statistics. C is the setting ``svm_cost``.

    Open, because there is no source: whether what made the vectors has heard the test speakers. An encoder that was trained on
    the corpus itself, or on emotions of its speakers, makes the score worthless, and nothing here can notice that.
    """

    @classmethod
    def prepare(cls, config, table=None, fold=None):
        """Make the parts of a fold; see `Method.prepare`.

        The input ``functionals`` are the vectors. The notes hold the SHA-256 of their file and their size.
        """
        table, fold, classes, tables = split(config, table, fold)
        values = cls._values(config, table)
        parts = (_part(tables[name], values, classes) for name in PARTS)
        notes = {"vectors": vectors.digest(config.vectors), "vector_size": values.shape[1]}
        return FoldData(fold, classes, *parts, corpora.digest(table), notes=notes)

    @classmethod
    def _values(cls, config, table):
        values = vectors.of(table, config.vectors)
        return by_speaker(values, table["speaker"]) if config.standardise == "speaker" else values

    def _size(self):
        return vectors.size(self.config.vectors)
