"""What a run is: every setting that can change a number, checked at the door."""

import ast
import dataclasses
import functools
import hashlib
import json
import numbers
import re
from dataclasses import dataclass, field
from pathlib import Path

from sermodules.config.classes import AS_EMOTIONS, canonical
from sermodules.config.methods import METHODS
from sermodules.config.presets import PRESETS
from sermodules.errors import ConfigError

#: The parameters of the notebook that say where and what is written. They are no part of a run.
NOT_OF_THE_RUN = ("out", "keep_model")

#: Settings of gender whose network is that of another one: they differ in what happens at the test.
_GENDER_TRAINS_AS = {"flipped": "embedding", "predicted": "embedding", "prior_shift": "none"}

#: Settings of gender whose models are not for use, and what to do instead.
_CONTROLS = {
    name: f"Keep that of gender {same!r}, which is the same network." for name, same in _GENDER_TRAINS_AS.items()
}
_CONTROLS["shuffled"] = "Keep that of gender 'embedding', which is told the truth."

#: Said of ``keep_model`` among the settings.
_KEEP = (
    "keep_model is no setting of a run: in a study file it has a line of its own, beside 'seeds' and not under 'settings';"
    " `sermodules run` has the option --keep-model, and `sermodules train` always keeps the model"
)


def _choice(*allowed, doc, added=False, **kwargs):
    return field(metadata={"choices": allowed, "doc": doc, "added": added}, **kwargs)


def _number(low, high, *, doc, added=False, **kwargs):
    return field(metadata={"range": (low, high), "doc": doc, "added": added}, **kwargs)


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One run: one fold, one seed, one configuration. Make one with `RunConfig.create`, which fills in a preset.

    Every field is a parameter of ``book/one_fold.ipynb`` and a key of a study file. A new one is marked ``added=True``, see
    `record`. The defaults are the paper's values, and
    the primary reading where the paper allows more than one (the numbers in brackets are rows of the book's deviation log).
    """

    # which data
    corpus: str = field(
        default="synthetic",
        metadata={"doc": "a corpus name of `sermodules corpora`, or `table:path/to/utterances.csv`"},
    )
    emotions: str = _choice(
        "four",
        "all",
        default="four",
        doc="the paper's four classes, or all that the corpus has (your own table: always all)",
    )
    classes: str = field(
        default=AS_EMOTIONS,
        metadata={
            "doc": "which labels become which classes, in one text: `happy=happy+excited,angry` makes two of three. `emotions`:"
            " as `emotions` and `merge_excited` say",
            "added": True,
        },
    )
    merge_excited: bool = field(default=False, metadata={"doc": "[10] IEMOCAP: count `excited` as `happy`"})
    scripted: bool = field(default=False, metadata={"doc": "IEMOCAP: scripted turns as well as improvised ones"})
    song: bool = field(
        default=False, metadata={"doc": "RAVDESS: sung recordings as well as spoken ones", "added": True}
    )
    duplicates: str = _choice(
        "once", "leave_out", "keep", default="once", added=True,
        doc="one sound more than once. `once`: it counts once; under two speakers or labels it is refused in your own table,"
        " and left out of a released corpus. `leave_out`: left out of your table too. `keep`: every recording counts",
    )  # fmt: skip
    unusable: str = _choice(
        "refuse", "skip", default="refuse", added=True,
        doc="recordings that cannot be used end a run before it begins, or are left out of the corpus, and the report says so",
    )  # fmt: skip
    label: str = _choice(
        "asked", "heard", "heard_by_most", default="asked", added=True,
        doc="CREMA-D: what the actor was asked for, or the emotion that more listeners heard than any other, or more than half"
        " of them; recordings without one are left out",
    )  # fmt: skip
    # which cell of the grid
    model: str = _choice(
        *METHODS,
        default="model2",
        doc="`model1` pools by attention, `model2` by self-attention; the others are baselines",
    )
    attention: str = _choice(
        "seq_self", "seq_self_equal_start", "scaled_dot", "additive", "acrnn", "acrnn_code", "mean", "max",
        default="seq_self", doc="[11-13] how frames become one vector; set by `model`",
    )  # fmt: skip
    gender: str = _choice(
        "none", "embedding", "embedding64", "shuffled", "flipped", "predicted", "prior_shift",
        default="embedding", doc="[14-15] the gender branch and its controls",
    )  # fmt: skip
    fold: int = _number(1, 10_000, default=1, doc="which speaker, group or session is tested; folds count from 1")
    split: str = _choice(
        "speakers", "sessions", "part", "fold", default="speakers", added=True,
        doc="who is left out together: a speaker (or one of the `groups`), a session, or as the column `part` or `fold` of your"
        " table says",
    )  # fmt: skip
    groups: int = _number(
        0, 10_000, default=0, added=True,
        doc="leave out so many groups of speakers, equal in size and gender, which the seed draws; 0: one speaker at a time",
    )  # fmt: skip
    seed: int = _number(0, 2**31 - 1, default=1, doc="initial weights and order of the minibatches")
    # features
    normalise_waveform: bool = field(
        default=True, metadata={"doc": "[5] each waveform to zero mean and unit variance before the log-Mels"}
    )
    frontend: str = _choice(
        "htk", "slaney", default="htk", doc="[6] Mel scale: HTK's without area normalisation, or librosa's default"
    )
    window: str = _choice("hamming", "rectangular", default="hamming", doc="[7] window of a frame")
    level: str = _choice(
        "recorded", "equal", default="recorded", added=True,
        doc="the SVMs: each recording as loud as it is, or all at one RMS level; the networks' `normalise_waveform` does that",
    )  # fmt: skip
    pitch_floor: float = _number(
        40,
        120,
        default=75.0,
        added=True,
        doc="`dnn_elm`: the lowest pitch (Hz) that is looked for; lower voices are misheard",
    )
    vectors: str = field(
        default="none",
        metadata={
            "doc": "a file of vectors, a row an utterance (`.npz`, `.parquet` or `.csv`), for `svm_vectors`",
            "added": True,
        },
    )
    svm_kernel: str = _choice(
        "linear", "rbf", default="linear", added=True,
        doc="the SVMs: linear, or a radial basis function of width 1 / number of features, which needs a `svm_cost` of about 1",
    )  # fmt: skip
    svm_cost: float = _number(
        1e-9, 1e6, default=1e-3, added=True, doc="the SVMs: C, what an error costs; `svm_egemaps` has 0.01 unless told"
    )
    # segments
    segmentation: str = _choice(
        "padded_tail", "drop_tail", "first_last", "acrnn_code",
        default="padded_tail", doc="[9] how utterances over 3 s are cut",
    )  # fmt: skip
    padding: str = _choice(
        "before", "after", "masked", default="before",
        doc="[8] zeros before standardising, after it, or after it and ignored by the attention",
    )  # fmt: skip
    standardise: str = _choice(
        "band", "global", "speaker", "speaker_shrunk", "speaker_neutral", default="band",
        doc="[5] by the training speakers: mean and SD per Mel band and channel, or one of each per channel. `speaker`:"
        " each speaker by the mean and SD of all their own recordings; it is transductive, so not the paper's protocol."
        " `speaker_shrunk`: by a mean between theirs and that of the training speakers. `speaker_neutral`: by the mean of"
        " neutral recordings that are read beforehand",
    )  # fmt: skip
    enrol: int = _number(
        0, 10_000, default=0, added=True,
        doc="with `standardise` by speaker: from how many recordings a speaker is known, drawn by the seed; they are in no"
        " part. 0: from all, those that are judged included",
    )  # fmt: skip
    pooling: str = _choice(
        "max", "max_logit", "vote", "mean", default="max", doc="[21] from the segments' posteriors to the utterance's"
    )
    validation: str = _choice(
        "partner",
        "next",
        default="partner",
        doc="[19] validate on the session partner (the paired group), or on the next other one",
    )
    # network
    preset: str = _choice(*PRESETS, default="paper", doc="the set of sizes and schedules that the rest starts from")
    width: float = _number(1 / 64, 4.0, default=1.0, doc="layer sizes as a share of the paper's")
    conv_layers: int = _number(1, 7, default=6, doc="[1] number of convolutions")
    pool: str = _choice(
        "2x2", "2x4", default="2x2", doc="[2] max-pooling after the first convolution, time x frequency"
    )
    batch_norm: str = _choice(
        "none", "running", "running_fast", "batch", "speaker", default="none",
        doc="batch normalisation after the linear layer, at test with running statistics (momentum 0.99, or fast, 0.9),"
        " the batch's (ACRNN's code), or the speaker's (transductive)",
    )  # fmt: skip
    batch_norm_at: str = _choice(
        "linear", "dense", "both", default="linear", added=True,
        doc="after which layer `batch_norm` stands: the linear one before the BiLSTM, the dense one before the classifier, or"
        " both",
    )  # fmt: skip
    dense_units: int = _number(0, 4096, default=64, doc="[16] units of the layer before the softmax; 0 leaves it out")
    # training
    optimizer: str = _choice(
        "nadam", "adam", "sgd", default="nadam", doc="[17] Nadam, Adam, or SGD with Nesterov momentum 0.9"
    )
    class_weight: str = _choice(
        "none", "balanced", "undersample", default="none",
        doc="[20] plain loss, classes weighted to count the same, or equally many segments of each class (at most 300)",
    )  # fmt: skip
    learning_rate: float = _number(1e-7, 1.0, default=1e-4, doc="[17] initial learning rate")
    anneal_above: int = _number(
        0, 10**9, default=0, added=True,
        doc="0: the learning rate stays as it is; n: a training of more than n minibatches in all begins with the rate times"
        " sqrt(n / minibatches) and ends with 0, along half a cosine",
    )  # fmt: skip
    batch_size: int = _number(1, 4096, default=40, doc="segments in a minibatch")
    epochs: int = _number(
        1, 10_000, default=60, doc="[18] at most so many passes over the training segments; the paper gives no number"
    )
    patience: int = _number(1, 10_000, default=15, doc="[18] stop after so many epochs without a better validation UAR")
    precision: str = _choice(
        "float32", "mixed_bfloat16", "mixed_float16", default="float32", doc="Keras dtype policy of the network"
    )
    threads: int = _number(1, 1024, default=2, doc="threads of a run; another number changes the last digits")

    def __post_init__(self):
        for f in _fields(type(self)):
            object.__setattr__(self, f.name, _check(f, getattr(self, f.name)))
        object.__setattr__(self, "classes", canonical(self.classes))
        if self.classes != AS_EMOTIONS and (self.emotions != "four" or self.merge_excited):
            raise ConfigError(
                f"parameter 'classes' is {self.classes!r}, which chooses and merges by itself: leave out 'emotions' and"
                " 'merge_excited'"
            )
        if self.by_speaker and self.padding == "before" and METHODS[self.model].listens is None:
            raise ConfigError(
                f"standardise {self.standardise!r} does not go with padding 'before': a zero that is standardised by the"
                " statistics of a speaker is another number for each speaker, so the padding would tell who speaks. Use padding"
                " 'after' or 'masked', and for the run that you compare it with too."
            )
        if self.batch_norm_at != "linear" and (self.batch_norm == "none" or not self.dense_units):
            raise ConfigError(
                f"parameter 'batch_norm_at' is {self.batch_norm_at!r}, 'batch_norm' is {self.batch_norm!r} and 'dense_units' is"
                f" {self.dense_units}: there is no batch normalisation, or no dense layer for it to follow"
            )
        if self.enrol and not self.by_speaker:
            raise ConfigError(
                f"parameter 'enrol' is {self.enrol} and 'standardise' is {self.standardise!r}: recordings tell of a voice only"
                " where 'standardise' is speaker, speaker_shrunk or speaker_neutral"
            )
        if self.enrol and self.batch_norm == "speaker":
            raise ConfigError(
                f"parameter 'enrol' is {self.enrol} and 'batch_norm' is 'speaker': the one says that a voice is known from few"
                " recordings, the other normalises by all that are judged. Give only one of them"
            )
        if self.standardise == "speaker_neutral" and not self.enrol:
            raise ConfigError(
                "standardise 'speaker_neutral' needs the parameter 'enrol': how many neutral recordings each speaker reads"
                " beforehand, such as 3. They are not judged."
            )
        if self.groups in (1, 2):
            raise ConfigError(
                f"parameter 'groups' is {self.groups}: it must be at least 3 (one tests, one validates, the others train), or "
                "0 to leave out one speaker at a time"
            )
        if self.groups and self.split != "speakers":
            raise ConfigError(
                f"parameter 'groups' is {self.groups} and 'split' is {self.split!r}: both say who is left out, so give only "
                "one of them"
            )

    @classmethod
    def create(cls, **settings):
        """Make a configuration from a preset, a model's name and whatever else is given.

        See chapter "One fold".

        Parameters
        ----------
        **settings
            Any field of `RunConfig`. ``preset`` and ``model`` supply the fields that are not given, or given as None.

        Returns
        -------
        RunConfig

        Raises
        ------
        ConfigError
            If a key is unknown, or a value has the wrong type or is out of range, or the model is a baseline to which a
            given value means nothing; the message names them all. Also if a network is standardised by speaker after its
            padding.

        Examples
        --------
        >>> from sermodules.config import RunConfig
        >>> config = RunConfig.create(preset="smoke", model="model1", epochs=2)
        >>> config.attention, config.batch_size, config.epochs  # by the model, by the preset, as given
        ('additive', 16, 2)
        """
        known = {f.name: f for f in dataclasses.fields(cls)}
        given = {key: value for key, value in settings.items() if value is not None}
        problems = [
            _KEEP
            if key == "keep_model"
            else f"unknown parameter {key!r}{_suggest(key, known)}: the parameters are {', '.join(sorted(known))}"
            for key in sorted(set(given) - set(known), key=str)
        ]
        for key in sorted(set(given) & set(known)):
            try:
                given[key] = _check(known[key], given[key])
            except ConfigError as error:
                problems.append(str(error))
        if problems:
            raise ConfigError("\n".join(problems))
        preset, model = (given.get(name, known[name].default) for name in ("preset", "model"))
        method = METHODS[model]
        supplied = {**PRESETS[preset], **method.brings, **method.schedules.get(preset, {})}
        heard = {name for name in known if method.hears(name)}
        supplied = {
            key: value for key, value in supplied.items() if key in heard or not known[key].metadata.get("added")
        }
        deaf = set(given) - heard
        ignored = sorted(key for key in deaf if given[key] != supplied.get(key, known[key].default))
        problems = [f"parameter {key!r} means nothing to model {model!r}: leave it out" for key in ignored]
        problems += [
            f"parameter {key!r} is {given[key]!r}: to model {model!r} it must be one of {', '.join(values)}"
            for key, values in method.values.items()
            if given.get(key, values[0]) not in values
        ]
        if problems:
            raise ConfigError("\n".join(problems))
        return cls(**{**supplied, **given})

    @classmethod
    def from_notebook(cls, namespace):
        """Make a configuration from a notebook's variables; used by the cell after the parameters.

        See chapter "One fold".

        Parameters
        ----------
        namespace : dict
            The notebook's ``globals()``. Variables named as a field count, unless they are None.

        Returns
        -------
        RunConfig

        Raises
        ------
        ConfigError
            As `create`; also if papermill was given a parameter that is neither a field nor one of `NOT_OF_THE_RUN`, or the
            model of such a run cannot be kept.

        Examples
        --------
        >>> from sermodules.config import RunConfig
        >>> config = RunConfig.from_notebook({"preset": "smoke", "fold": 3, "epochs": None, "x": "not a field"})
        >>> config.fold, config.epochs  # None is the preset's value
        (3, 6)
        """
        known = {f.name for f in dataclasses.fields(cls)}
        settings = {name: namespace[name] for name in known & set(namespace)}
        for cell in namespace.get("In", []):
            if cell.splitlines()[:1] == ["# Parameters"]:  # papermill's own cell: all that it sets was asked for
                targets = [node.targets[0] for node in ast.parse(cell).body if isinstance(node, ast.Assign)]
                passed = {target.id for target in targets if isinstance(target, ast.Name)} - {*NOT_OF_THE_RUN}
                refuse_empty({name: namespace[name] for name in passed})
                settings |= {name: namespace[name] for name in passed}
        config = cls.create(**settings)
        config.check_keeping(namespace.get("keep_model", False))
        return config

    def check_keeping(self, keep_model):
        """Raise a `ConfigError` if `keep_model` is neither true nor false, or it is true and this run's model is not kept."""
        if not isinstance(keep_model, bool):
            raise ConfigError(
                f"parameter 'keep_model' is {keep_model!r}: it must be true or false (with papermill -p: True or False)"
            )
        if keep_model and self.gender in _CONTROLS:
            raise ConfigError(
                f"the model of gender {self.gender!r} is not kept: it is a control, which differs from a model for use in what"
                f" it is told at the test. {_CONTROLS[self.gender]}"
            )

    def check_asked(self):
        """Raise a `ConfigError` if a setting is not given without which the model cannot do a run."""
        for name in METHODS[self.model].asks:
            about = self.__dataclass_fields__[name]
            if getattr(self, name) == about.default:
                raise ConfigError(f"model '{self.model}' needs the parameter '{name}': {about.metadata['doc']}")

    @property
    def by_speaker(self):
        """Whether each speaker is standardised by recordings of their own."""
        return self.standardise.startswith("speaker")

    @property
    def asks_who(self):
        """Whether an answer depends on all recordings of a speaker, so that the model must be told whose is whose."""
        return self.by_speaker or self.batch_norm == "speaker"

    @property
    def reading(self):
        """The arguments of `sermodules.corpora.load` that say which utterances are read."""
        names = ("emotions", "classes", "merge_excited", "scripted", "song", "duplicates", "unusable", "label")
        return {"name": self.corpus, **{name: getattr(self, name) for name in names}}

    @property
    def division(self):
        """The arguments of `sermodules.folds.protocol.folds` besides the table; the seed only where it draws groups."""
        return {
            "validation": self.validation,
            "split": self.split,
            "groups": self.groups,
            "seed": self.seed if self.groups else 0,
            "chooses": METHODS[self.model].chooses,
        }

    @property
    def extraction(self):
        """The arguments of `sermodules.features.extract` besides the table."""
        return {name: getattr(self, name) for name in ("normalise_waveform", "frontend", "window")}

    @property
    def training(self):
        """One and the same `RunConfig` for all runs whose training differs in nothing but the training speakers."""
        return self.replace(fold=1, gender=_GENDER_TRAINS_AS.get(self.gender, self.gender))

    def replace(self, **changes):
        """Return a copy with some fields changed; nothing else moves (a preset is not applied again)."""
        return dataclasses.replace(self, **changes)

    def before_added(self):
        """Return what a configuration was before there were the settings that its preset gives and that were ``added``.

        Examples
        --------
        >>> from sermodules.config import RunConfig
        >>> config = RunConfig.create(preset="teaching")
        >>> config.anneal_above, config.before_added().anneal_above
        (300, 0)
        """
        added = {f.name: f.default for f in dataclasses.fields(self) if f.metadata.get("added")}
        given = {name: PRESETS[self.preset].get(name, default) for name, default in added.items()}
        return self.replace(**{name: added[name] for name, value in given.items() if value == getattr(self, name)})

    def to_dict(self):
        """Return all fields as a dict of plain Python values, in the order of the class."""
        return {f.name: getattr(self, f.name) for f in _fields(type(self))}

    def record(self):
        """Return the fields that a stored run is written with, as a dict of plain Python values.

        A field marked ``added`` came after the first published runs. It is left out while it has its default, so a run that
        does not use it keeps its record, its `run_id` and its bytes. Its default may never change, nor what a method brings
        in its place.
        """
        added = _added(type(self), self.model)
        return {name: value for name, value in self.to_dict().items() if name not in added or value != added[name]}

    def to_json(self):
        """Return the canonical JSON form: `record`, keys sorted, no spaces. Equal runs have equal strings."""
        return json.dumps(self.record(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text):
        """Read a configuration back from `to_json`; every field of `record` must be there, and no unknown one.

        Raises
        ------
        ConfigError
            If the text is no configuration of this version, or one with a value that is not allowed.
        """
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"not a run configuration: {error}") from error
        names = {f.name for f in _fields(cls)}
        needed = {f.name for f in _fields(cls) if not f.metadata.get("added")}
        keys = set(data) if isinstance(data, dict) else set()
        if not needed <= keys <= names:
            missing, unknown = sorted(needed - keys), sorted(keys - names)
            raise ConfigError(f"not a run configuration of this version: missing {missing}, unknown {unknown}")
        return cls(**{**_added(cls, data["model"]), **data})

    @functools.cached_property
    def run_id(self):
        """A readable name that no other configuration has, fit for a folder."""
        corpus = self.corpus
        if corpus.startswith("table:"):
            corpus = Path(corpus.removeprefix("table:")).stem
        corpus = re.sub(r"[^\w-]+", "_", corpus)[:40]
        digest = hashlib.sha256(self.to_json().encode()).hexdigest()[:8]
        network = "" if METHODS[self.model].listens else f"_{self.attention}_gender-{self.gender}"
        return f"{corpus}_{self.model}{network}_{self.preset}_fold{self.fold:02d}_seed{self.seed}_{digest}"


#: The fields of a class of configurations: a study asks ten thousands of them.
_fields = functools.cache(dataclasses.fields)


def _added(cls, model):
    """Return the fields that were added later, with the values that a record leaves out."""
    brings = METHODS[model].brings if isinstance(model, str) and model in METHODS else {}
    return {f.name: brings.get(f.name, f.default) for f in _fields(cls) if f.metadata.get("added")}


def refuse_empty(settings):
    """Raise a `ConfigError` if a setting is None: whoever wrote "None" may have meant the value "none".

    Within the braces of YAML a comma ends a value, so that ``{classes: angry,sad}`` has an empty setting ``sad``.
    """
    known = {f.name for f in dataclasses.fields(RunConfig)}
    cut, empty, before = {}, [], None  # `before`: the setting behind whose value a name may be the rest of it
    for name, value in settings.items():
        if value is not None:
            before = name
        elif name not in known and before is not None:
            cut.setdefault(before, [str(settings[before])]).append(str(name))
        else:
            empty.append(name)
    problems = [
        f"parameter {name!r} is empty (None): leave it out, or write none for the value 'none'"
        for name in sorted(empty)
    ]
    problems += [
        f"there is no parameter {parts[1]!r}. Within braces a comma ends a value: with quotation marks it is"
        f' {name}: "{",".join(parts)}"'
        for name, parts in cut.items()
    ]
    if problems:
        raise ConfigError("\n".join(problems))


def _suggest(key, known):
    import difflib

    close = difflib.get_close_matches(str(key), list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _check(f, value):
    """Return `value` in the field's own type, or raise a `ConfigError` that says what is allowed."""
    kind, shown = f.type, repr(value)
    if kind is bool:
        if isinstance(value, bool):
            return value
        raise ConfigError(
            f"parameter {f.name!r} is {shown}: it must be true or false (with papermill -p: True or False)"
        )
    if kind is str:
        if not isinstance(value, str) or not value:
            raise ConfigError(f"parameter {f.name!r} is {shown}: it must be text")
    elif isinstance(value, bool) or not isinstance(value, numbers.Real) or not -1e300 < value < 1e300:
        raise ConfigError(
            f"parameter {f.name!r} is {shown}: it must be a number, without quotation marks (in a study file 0.001 or 1.0e-3, "
            "because YAML takes 1e-3 for text)"
        )
    elif kind is int and value != int(value):
        raise ConfigError(f"parameter {f.name!r} is {shown}: it must be a whole number")
    else:
        value = kind(value)
    choices, limits = f.metadata.get("choices"), f.metadata.get("range")
    if choices and value not in choices:
        raise ConfigError(f"parameter {f.name!r} is {shown}: it must be one of {', '.join(choices)}")
    if limits and not limits[0] <= value <= limits[1]:
        raise ConfigError(f"parameter {f.name!r} is {shown}: it must lie between {limits[0]:g} and {limits[1]:g}")
    return value
