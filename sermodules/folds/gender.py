"""What a network is told about the speaker's gender: the truth, or one of the controls of the ablation.

The paper joins a gender embedding before the classifier and says that it adds 1 to 2 points (section 2.3); it shows no run
without. Each value of ``RunConfig.gender`` answers one question:

========================  ============================================================================================
``none``                  what is reached without gender?
``embedding``             with the true label, a table of 300 numbers and a linear layer of 64, as in the paper
``embedding64``           the same function from a table of 64 alone (see `equivalent_table`)
``shuffled``              placebo: as many parameters, a label drawn anew for each utterance, without information
``flipped``               trained with the truth, tested with the opposite: does the network use the label at all?
``predicted``             tested with what a classifier hears in the voice: what is left without the true label?
``prior_shift``           no network change, posteriors reweighted by how often each gender shows each class
========================  ============================================================================================

The last three change what happens at the test and nothing before, the choice of the epoch included: ``flipped`` and
``predicted`` test the networks of ``embedding``, ``prior_shift`` those of ``none``. So a difference is due to the test alone.
"""

import numpy as np

from sermodules.errors import ProtocolError

#: The settings in which the network has a gender input.
INPUT = ("embedding", "embedding64", "shuffled", "flipped", "predicted")


def check(setting, table):
    """Make sure that every speaker has the gender that a setting needs.

    Parameters
    ----------
    setting : str
        A value of ``RunConfig.gender``.
    table : pandas.DataFrame
        Utterance table of the whole corpus.

    Raises
    ------
    ProtocolError
        If a speaker's gender is ``other`` or ``unknown`` and the setting is not ``none``: all the others know two.
    """
    people = table.drop_duplicates("speaker")
    people = people[~people["gender"].isin(["female", "male"])]
    if setting != "none" and len(people):
        named = [f"{row.speaker} ({row.gender})" for row in people.itertuples()]
        more = f" and {len(named) - 10} more" if len(named) > 10 else ""
        raise ProtocolError(
            f"gender={setting!r} needs speakers who are female or male, but {len(named)} of"
            f" {table['speaker'].nunique()} are not: {', '.join(named[:10])}{more}. Use gender='none', or take these speakers"
            " out of the corpus."
        )


def told(setting, tables, features, seed):
    """Say what the network is told about each utterance.

    See chapter "The gender embedding".

    Parameters
    ----------
    setting : str
        A value of ``RunConfig.gender`` out of `INPUT`.
    tables : dict of str to pandas.DataFrame
        The utterances of ``train``, ``validation`` and ``test``.
    features : mapping of str to numpy.ndarray, shape (frames, 40, 3)
        Needed for ``predicted`` only.
    seed : int
        Draws the labels of ``shuffled``: a permutation over the training utterances, and for the other speakers draws
        from the labels of the training utterances, an utterance at a time.

    Returns
    -------
    dict of str to dict of str to int
        For each part, utterance to 0 (female) or 1 (male).

    Raises
    ------
    ProtocolError
        If the gender is to be predicted, and the training speakers are all of one.

    Examples
    --------
    "flipped" trains with the truth, 1 for a man, and tests with the opposite.

    >>> import pandas as pd
    >>> from sermodules.folds import gender
    >>> train = pd.DataFrame({"utterance": ["a", "b"], "gender": ["female", "male"]})
    >>> test = pd.DataFrame({"utterance": ["c"], "gender": ["male"]})
    >>> gender.told("flipped", {"train": train, "test": test}, features={}, seed=1)
    {'train': {'a': 0, 'b': 1}, 'test': {'c': 0}}
    """
    labels = {part: _true(table) for part, table in tables.items()}
    if setting == "flipped":
        labels["test"] = 1 - labels["test"]
    elif setting == "shuffled":
        known = labels["train"]
        for number, part in enumerate(labels):
            generator = np.random.default_rng((seed, number))
            drawn = generator.permutation(known) if part == "train" else generator.choice(known, len(labels[part]))
            labels[part] = drawn
    elif setting == "predicted":
        classifier = fit_classifier(tables["train"], features)
        labels["test"] = classifier.predict(voice(tables["test"], features))
    elif setting not in ("embedding", "embedding64"):
        raise ValueError(f"gender {setting!r}: the network is told something only with {', '.join(INPUT)}")
    return {part: dict(zip(table["utterance"], labels[part].tolist(), strict=True)) for part, table in tables.items()}


def _true(table):
    return (table["gender"] == "male").to_numpy(np.int64)


def voice(table, features):
    """Describe each utterance's voice: mean and SD over its frames of the 40 log-Mels.

    See chapter "The gender embedding".

    Returns
    -------
    numpy.ndarray, shape (utterances, 80)

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sermodules.folds import gender
    >>> steady = np.full((100, 40, 3), 2.0)  # every log-Mel is 2 in all frames: mean 2, SD 0
    >>> x = gender.voice(pd.DataFrame({"utterance": ["a"]}), {"a": steady})
    >>> x.shape, x[0, [0, 40]].tolist()
    ((1, 80), [2.0, 0.0])
    """
    static = (np.asarray(features[name], dtype=np.float64)[:, :, 0] for name in table["utterance"])
    return np.array([np.r_[x.mean(axis=0), x.std(axis=0)] for x in static])


def fit_classifier(table, features):
    """Train a classifier of gender on `voice`: standardised, logistic regression (scikit-learn's, C = 1).

    See chapter "The gender embedding".

    Parameters
    ----------
    table : pandas.DataFrame
        The training utterances.
    features : mapping of str to numpy.ndarray, shape (frames, 40, 3)

    Returns
    -------
    sklearn.pipeline.Pipeline
        Its ``predict`` gives 0 (female) or 1 (male).

    Raises
    ------
    ProtocolError
        If all training speakers are of one gender.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sermodules.folds import gender
    >>> table = pd.DataFrame({"utterance": ["a", "b"], "gender": ["female", "male"]})
    >>> features = {"a": np.full((100, 40, 3), 5.0), "b": np.full((100, 40, 3), 1.0)}
    >>> gender.fit_classifier(table, features).predict(gender.voice(table, features)).tolist()
    [0, 1]
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if table["gender"].nunique() < 2:
        raise ProtocolError(
            f"gender='predicted' needs women and men among the training speakers, but all of them are "
            f"{table['gender'].iloc[0]}. Use gender='none'."
        )
    classifier = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
    return classifier.fit(voice(table, features), _true(table))


def prior_shift(train, rows, classes):
    """Say by how much to move the logits of segments so that their prior becomes that of the speaker's gender.

    By Bayes' rule p(class | x, gender) is proportional to p(class | x) p(class | gender) / p(class), if gender tells
    nothing about the class but how frequent it is.

    See chapter "The gender embedding".

    Parameters
    ----------
    train : pandas.DataFrame
        The training segments: their shares are the priors, with one added to each count.
    rows : pandas.DataFrame, n rows
        The segments to be moved, with the true gender.
    classes : list of str

    Returns
    -------
    numpy.ndarray, shape (n, classes)
        ``ln p(class | gender) - ln p(class)``; zero for a gender that no training speaker has, whose prior is unknown.

    Examples
    --------
    Three of the women's four segments are sad, one of the men's. With one added to each count, sad has 4/6 for women and 5/10
    for all: its posterior grows by 4/3.

    >>> import numpy as np, pandas as pd
    >>> from sermodules.folds import gender
    >>> emotions = ["sad"] * 3 + ["happy", "sad"] + ["happy"] * 3
    >>> train = pd.DataFrame({"gender": ["female"] * 4 + ["male"] * 4, "emotion": emotions})
    >>> shift = gender.prior_shift(train, pd.DataFrame({"gender": ["female", "male"]}), ["sad", "happy"])
    >>> np.exp(shift).round(3).tolist()
    [[1.333, 0.667], [0.667, 1.333]]
    """

    def prior(part):
        counts = part["emotion"].value_counts().reindex(classes).fillna(0).to_numpy() + 1
        return np.log(counts / counts.sum())

    shifts = {"female": np.zeros(len(classes)), "male": np.zeros(len(classes))}
    for gender, mine in train.groupby("gender"):
        shifts[gender] = prior(mine) - prior(train)
    return np.array([shifts[gender] for gender in rows["gender"]])


def equivalent_table(network):
    """Give the two rows of 64 to which the paper's branch comes down.

    A lookup in a table E (2 x 300) followed by a linear layer, E W + b, is a lookup in the table E W + b (2 x 64): the 300
    add parameters, not functions.

    See chapter "The gender embedding".

    Parameters
    ----------
    network : keras.Model
        With ``gender="embedding"``.

    Returns
    -------
    numpy.ndarray, shape (2, 64)

    Examples
    --------
    >>> from sermodules import models
    >>> from sermodules.config import RunConfig
    >>> from sermodules.folds import gender
    >>> network = models.network(RunConfig.create(preset="smoke", gender="embedding"), 4)
    >>> gender.equivalent_table(network).shape
    (2, 64)
    """
    (table,) = network.get_layer("gender_embedding").get_weights()
    kernel, bias = network.get_layer("gender_dense").get_weights()
    return table @ kernel + bias
